"""Hadronic showers: a small cascade of tracks, interactions and electromagnetic sub-showers.

One model gives the longitudinal and lateral fluctuations, those of the electromagnetic share,
minimum-ionising tracks inside the shower, and deposits far from its core. It is a choice of ours,
tuned to the energy resolution of single hadrons (constants: `SimulationConfig`); its shower shapes
were not compared with data or a full simulation. Energies are kinetic-like: what a particle can
deposit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import HCAL
from partflow.core.particles import PION_MASS
from partflow.simulate.directions import Ray, circle_point, tilted, transverse_axes
from partflow.simulate.fast.electromagnetic import electromagnetic_shower
from partflow.simulate.fast.medium import GAP, OUTSIDE, medium_at, path_through_gap, path_to_border
from partflow.simulate.fast.spots import add_spot, scale_spots


class Hadron(NamedTuple):
    """A hadron, or a muon, that enters the calorimeter."""

    ray: Ray
    energy: float
    """Kinetic-like energy [GeV]."""
    charge: float


PENDING = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("z", "f8"),
        ("dx", "f8"),
        ("dy", "f8"),
        ("dz", "f8"),
        ("energy", "f8"),
        ("charge", "f8"),
        ("is_electromagnetic", "b1"),
    ],
    align=True,
)
"""A particle of the cascade that has not been followed yet."""

NEVER = 1e30
"""Free path of a particle that does not interact [interaction lengths]."""
SECONDARY_PATH_FACTOR = 1.1
"""Free path of secondaries, mostly mesons, in interaction lengths of a baryon."""
_BEHIND_BORDER = 1e-3  # mm; a step to a border ends this far behind it
_MAX_STEPS = 400
_MIP_MINIMUM, _MIP_TAIL = 0.82, 0.18  # MIP; least deposit in a step, mean of the tail above it
_IONISATION_LOSS = 0.85  # energy loss per EM-scale energy deposited by a MIP
_MIN_BENT_MOMENTUM = 0.05  # GeV
_MAX_SECONDARIES = 60
_MIN_SECONDARY = 0.10  # GeV; below, a hadron deposits where it is made
_PART_ENERGY = 2.0  # GeV; the visible share of a stopping hadron is a mean over 1 + E/this parts
_LOCAL_SPOT = 0.05  # GeV per spot of a local deposit
_REMOTE_SPOT = 0.03  # GeV per spot carried by neutrons
_REMOTE_RANGE = 110.0  # mm
_NUCLEAR_SIZE = (25.0, 12.0)  # mm, mean extent of a deposit along the particle and across
_SOFT_SIZE = (20.0, 10.0)  # mm
_TERMINAL_SIZE_ECAL = (35.0, 14.0)  # mm
_TERMINAL_SIZE_HCAL = (45.0, 22.0)  # mm


@njit(cache=True, error_model="numpy")
def hadronic_shower(rng, spots, count, stack, constants, hadron, path_factor):
    """Add the spots of the shower of a hadron: (new count, whether `stack` was large enough).

    `path_factor` is the mean free path to the first interaction [interaction lengths], NEVER for a
    muon. `stack` holds the particles of the cascade that are still to be followed.
    """
    depth = _push(stack, 0, hadron.ray, hadron.energy, hadron.charge, False)
    while depth > 0:
        depth -= 1
        member = stack[depth]
        ray = Ray(member.x, member.y, member.z, member.dx, member.dy, member.dz)
        energy = member.energy
        if member.is_electromagnetic:
            count = electromagnetic_shower(
                rng, spots, count, constants, ray, energy, member.is_electromagnetic
            )
            continue
        free_path = path_factor * rng.standard_exponential() if path_factor < NEVER else NEVER
        path_factor = SECONDARY_PATH_FACTOR
        count, where, ray, energy = _follow(
            rng, spots, count, constants, ray, energy, member.charge, free_path
        )
        if where == OUTSIDE:
            continue
        if rng.random() < math.exp(-((energy / constants.cascade.terminal_energy) ** 2)):
            count = _stop(rng, spots, count, constants, ray, energy, where)
            continue
        if depth + _MAX_SECONDARIES > len(stack):
            return count, False
        count, depth = _interact(rng, spots, count, stack, depth, constants, ray, energy)
    return count, True


@njit(cache=True, error_model="numpy")
def _push(stack, depth, ray, energy, charge, is_electromagnetic):
    """Put a particle on the stack; returns its new depth."""
    member = stack[depth]
    member.x, member.y, member.z = ray.x, ray.y, ray.z
    member.dx, member.dy, member.dz = ray.dx, ray.dy, ray.dz
    member.energy = energy
    member.charge = charge
    member.is_electromagnetic = is_electromagnetic
    return depth + 1


@njit(cache=True, error_model="numpy")
def _follow(rng, spots, count, constants, ray, energy, charge, free_path):
    """Step a particle to its interaction: (new count, medium, Ray and energy there).

    The medium is OUTSIDE if it does not interact: it left, stopped, or ran out of steps.
    """
    geometry, media = constants.geometry, constants.media
    x, y, z, dx, dy, dz = ray
    path = 0.0  # interaction lengths
    for _ in range(_MAX_STEPS):
        where = medium_at(geometry, x, y, z)
        if where == OUTSIDE:
            break
        interacts = False
        # a step stays in its medium: what it deposits belongs to one calorimeter
        step = path_to_border(geometry, where, x, y, z, dx, dy, dz) + _BEHIND_BORDER
        if where != GAP:
            step = min(step, media[where].step)
            step_path = step / media[where].interaction_length
            if path + step_path > free_path:
                step *= (free_path - path) / step_path
                interacts = True
            path += step_path
        if charge != 0.0:
            if where != GAP:
                mip = media[where].mip_density * step
                if energy < _IONISATION_LOSS * mip:
                    count = add_spot(spots, count, x, y, z, energy)
                    break
                half = 0.5 * step
                visible = mip * (_MIP_MINIMUM + _MIP_TAIL * rng.standard_exponential())
                count = add_spot(spots, count, x + dx * half, y + dy * half, z + dz * half, visible)
                energy -= _IONISATION_LOSS * mip
            momentum = math.sqrt(energy * (energy + 2.0 * PION_MASS))
            if momentum > _MIN_BENT_MOMENTUM:
                # a rotation by 2 atan(t), which keeps the length without trigonometry (Boris)
                t = -0.5 * charge * geometry.bending * step / momentum
                scale = 1.0 / (1.0 + t * t)
                cosine, sine = (1.0 - t * t) * scale, 2.0 * t * scale
                dx, dy = dx * cosine - dy * sine, dx * sine + dy * cosine
        x += dx * step
        y += dy * step
        z += dz * step
        if interacts:
            return count, medium_at(geometry, x, y, z), Ray(x, y, z, dx, dy, dz), energy
    return count, OUTSIDE, Ray(x, y, z, dx, dy, dz), energy


@njit(cache=True, error_model="numpy", inline="always")
def _stop(rng, spots, count, constants, ray, energy, where):
    """Deposit the visible energy of a hadron that ends the cascade; returns the new count.

    It is inlined: as a call of its own it would cost 1 % of an event.
    """
    along, across = _TERMINAL_SIZE_HCAL if where == HCAL else _TERMINAL_SIZE_ECAL
    num_parts = 1.0 + energy / _PART_ENERGY
    size = (along * math.sqrt(num_parts), across * math.sqrt(num_parts))
    cascade = constants.cascade
    share = rng.beta(num_parts * cascade.terminal_alpha, num_parts * cascade.terminal_beta)
    return _deposit(rng, spots, count, constants.geometry, ray, energy * share, size)


@njit(cache=True, error_model="numpy")
def _deposit(rng, spots, count, geometry, ray, visible, size):
    """Spread a visible energy [GeV] about the start of a Ray; returns the new count.

    The spots are distributed exponentially; `size` is their mean distance along and across [mm].
    """
    if visible <= 0.0:
        return count
    x, y, z, dx, dy, dz = ray
    along, across = size
    ux, uy, uz, vx, vy, vz = transverse_axes(dx, dy, dz)
    first = count
    for _ in range(1 + rng.poisson(visible / _LOCAL_SPOT)):
        path = along * rng.standard_exponential()
        distance = across * rng.standard_exponential()
        a, b = circle_point(rng)
        a *= distance
        b *= distance
        displacement = (
            dx * path + ux * a + vx * b,
            dy * path + uy * a + vy * b,
            dz * path + uz * a + vz * b,
        )
        energy = rng.standard_exponential()
        count = _add_displaced(spots, count, geometry, (x, y, z), displacement, energy)
    scale_spots(spots, first, count, visible)
    return count


@njit(cache=True, error_model="numpy")
def _add_displaced(spots, count, geometry, point, displacement, energy):
    """Add a spot displaced from a point by a length of matter [mm]; returns the new count.

    A gap on the way adds to the displacement.
    """
    x, y, z = point
    ax, ay, az = displacement
    stretch = path_through_gap(geometry, x, y, z, ax, ay, az)
    return add_spot(spots, count, x + ax * stretch, y + ay * stretch, z + az * stretch, energy)


@njit(cache=True, error_model="numpy")
def _break_nuclei(rng, spots, count, constants, ray, energy):
    """Deposit the energy spent on nuclei: (new count, energy left for secondaries [GeV])."""
    geometry, cascade = constants.geometry, constants.cascade
    share = cascade.nuclear_fraction_high + cascade.nuclear_fraction_low / (
        1.0 + (energy / cascade.nuclear_energy) ** 2
    )
    fluctuation = rng.standard_gamma(cascade.nuclear_shape) / cascade.nuclear_shape
    nuclear = energy * min(share * fluctuation, 0.8)
    local = nuclear * cascade.visible_nuclear_local
    count = _deposit(rng, spots, count, geometry, ray, local, _NUCLEAR_SIZE)
    remote = nuclear * cascade.visible_nuclear_remote
    num_remote = 1 + int(remote / _REMOTE_SPOT)
    for _ in range(num_remote):
        dx, dy, dz = tilted(rng, ray.dx, ray.dy, ray.dz, 2.0 * rng.random() - 1.0)
        distance = _REMOTE_RANGE * rng.standard_exponential()
        visible = remote / num_remote * rng.standard_exponential()
        displacement = (distance * dx, distance * dy, distance * dz)
        count = _add_displaced(spots, count, geometry, (ray.x, ray.y, ray.z), displacement, visible)
    return count, energy - nuclear


@njit(cache=True, error_model="numpy")
def _interact(rng, spots, count, stack, depth, constants, ray, energy):
    """Spend the energy of a hadron on nuclei and secondaries: (new count, new depth of the stack).

    Secondaries are pushed on the stack; soft hadrons deposit their energy at once.
    """
    geometry, cascade = constants.geometry, constants.cascade
    count, shared = _break_nuclei(rng, spots, count, constants, ray, energy)
    mean = cascade.multiplicity_slope * math.log(1.0 + energy)
    number = min(2 + rng.poisson(mean), _MAX_SECONDARIES)
    weights = 0.0
    for i in range(depth, depth + number):  # the stack keeps the weights until they are energies
        stack[i].energy = rng.standard_exponential() ** 1.4
        weights += stack[i].energy
    for i in range(depth, depth + number):
        part = shared * stack[i].energy / weights
        sine = cascade.transverse_momentum * math.sqrt(rng.standard_exponential()) / max(part, 1e-3)
        if sine < 1.0:
            cosine = math.sqrt(1.0 - sine * sine)
        else:
            cosine = 1.6 * rng.random() - 0.6
        dx, dy, dz = tilted(rng, ray.dx, ray.dy, ray.dz, cosine)
        kind = rng.random()
        is_electromagnetic = kind < cascade.neutral_pion_fraction
        kind -= cascade.neutral_pion_fraction + cascade.neutral_hadron_fraction
        charge = 0.0
        if kind >= 0.0:
            charge = 1.0 if rng.random() < 0.5 else -1.0
        direction = Ray(ray.x, ray.y, ray.z, dx, dy, dz)
        if part < _MIN_SECONDARY and not is_electromagnetic:
            visible = part * rng.beta(cascade.terminal_alpha, cascade.terminal_beta)
            count = _deposit(rng, spots, count, geometry, direction, visible, _SOFT_SIZE)
            continue
        depth = _push(stack, depth, direction, part, charge, is_electromagnetic)
    return count, depth
