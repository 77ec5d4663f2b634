"""Hadronic showers: a small cascade of tracks, interactions and electromagnetic sub-showers.

One model gives the longitudinal and lateral fluctuations, that of the electromagnetic share,
minimum-ionising tracks inside the shower and satellites around it. It is a choice of ours,
tuned to the energy resolution of single hadrons (constants: `SimulationConfig`); its shower
shapes were not compared with data or a full simulation. Energies are kinetic-like: what a
particle can deposit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.detector import HCAL
from partflow.core.particles import PION_MASS
from partflow.simulate.electromagnetic import electromagnetic_shower
from partflow.simulate.frame import circle_point, tilted, transverse_axes
from partflow.simulate.medium import GAP, OUTSIDE, medium_at, path_through_gap, path_to_border
from partflow.simulate.spots import add_spot, scale_spots

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
"""A member of the cascade that has not been followed yet."""

NEVER = 1e30
"""Free path of a particle that does not interact [interaction lengths]."""
SECONDARY_PATH_FACTOR = 1.1
"""Free path of secondaries, mostly mesons, in interaction lengths of a baryon."""
_INTO_THE_NEXT = 1e-3  # mm; a step to a border ends behind it
_MAX_STEPS = 400
_MIP_MINIMUM, _MIP_TAIL = 0.82, 0.18  # a step's deposit: minimum and mean of the tail, in MIP
_IONISATION_LOSS = 0.85  # energy loss per EM-scale energy deposited by a MIP
_MIN_BENT_MOMENTUM = 0.05  # GeV
_MAX_SECONDARIES = 60
_MIN_SECONDARY = 0.10  # GeV; below, a hadron deposits where it is made
_SHARER_ENERGY = 2.0  # GeV; what is visible of a stopping hadron's energy is a mean over sharers
_LOCAL_SPOT = 0.05  # GeV per spot of a local deposit
_REMOTE_SPOT = 0.03  # GeV per spot carried by neutrons
_REMOTE_RANGE = 110.0  # mm
_NUCLEAR_SIZE = (25.0, 12.0)  # mm along and across, as the next two
_SOFT_SIZE = (20.0, 10.0)
_TERMINAL_SIZE_ECAL = (35.0, 14.0)
_TERMINAL_SIZE_HCAL = (45.0, 22.0)


@njit(cache=True, error_model="numpy")
def hadronic_shower(
    rng, spots, count, stack, matter, cascade, x, y, z, dx, dy, dz, energy, charge, path_factor
):
    """Spots of a hadron from a point along a unit vector: (count, whether `stack` sufficed).

    `path_factor` is the mean free path to the first interaction [interaction lengths], NEVER
    for a muon.
    """
    depth = _push(stack, 0, x, y, z, dx, dy, dz, energy, charge, False)
    while depth > 0:
        depth -= 1
        member = stack[depth]
        x, y, z = member.x, member.y, member.z
        dx, dy, dz = member.dx, member.dy, member.dz
        energy, charge = member.energy, member.charge
        if member.is_electromagnetic:
            count = electromagnetic_shower(
                rng, spots, count, matter, x, y, z, dx, dy, dz, energy, member.is_electromagnetic
            )
            continue
        free_path = path_factor * rng.standard_exponential() if path_factor < NEVER else NEVER
        path_factor = SECONDARY_PATH_FACTOR
        count, where, x, y, z, dx, dy, energy = _follow(
            rng, spots, count, matter, x, y, z, dx, dy, dz, energy, charge, free_path
        )
        if where == OUTSIDE:
            continue
        if rng.random() < math.exp(-((energy / cascade.terminal_energy) ** 2)):
            along, across = _TERMINAL_SIZE_HCAL if where == HCAL else _TERMINAL_SIZE_ECAL
            sharers = 1.0 + energy / _SHARER_ENERGY
            along *= math.sqrt(sharers)
            across *= math.sqrt(sharers)
            visible = energy * rng.beta(
                sharers * cascade.terminal_alpha, sharers * cascade.terminal_beta
            )
            count = _deposit(
                rng, spots, count, matter.geometry,
                x, y, z, dx, dy, dz, visible, along, across,
            )  # fmt: skip
            continue
        if depth + _MAX_SECONDARIES > len(stack):
            return count, False
        count, shared = _break_nuclei(
            rng, spots, count, matter.geometry, cascade, x, y, z, dx, dy, dz, energy
        )
        count, depth = _produce(
            rng, spots, count, stack, depth, matter.geometry, cascade,
            x, y, z, dx, dy, dz, energy, shared,
        )  # fmt: skip
    return count, True


@njit(cache=True, error_model="numpy")
def _push(stack, depth, x, y, z, dx, dy, dz, energy, charge, is_electromagnetic):
    """Put a member on the stack; returns its new depth."""
    member = stack[depth]
    member.x, member.y, member.z = x, y, z
    member.dx, member.dy, member.dz = dx, dy, dz
    member.energy = energy
    member.charge = charge
    member.is_electromagnetic = is_electromagnetic
    return depth + 1


@njit(cache=True, error_model="numpy")
def _follow(rng, spots, count, matter, x, y, z, dx, dy, dz, energy, charge, free_path):
    """Step a particle to its interaction: (count, medium, x, y, z, dx, dy, energy).

    The medium is OUTSIDE if there is none: the particle left, stopped, or ran out of steps.
    """
    geometry, media = matter.geometry, matter.media
    path = 0.0  # interaction lengths
    for _ in range(_MAX_STEPS):
        where = medium_at(geometry, x, y, z)
        if where == OUTSIDE:
            break
        interacts = False
        # no step leaves its medium: what it deposits belongs to one calorimeter
        step = path_to_border(geometry, where, x, y, z, dx, dy, dz) + _INTO_THE_NEXT
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
            return count, medium_at(geometry, x, y, z), x, y, z, dx, dy, energy
    return count, OUTSIDE, x, y, z, dx, dy, energy


@njit(cache=True, error_model="numpy")
def _deposit(rng, spots, count, geometry, x, y, z, dx, dy, dz, visible, along, across):
    """Spread a visible energy about a point, exponentially along and across a direction."""
    if visible <= 0.0:
        return count
    ux, uy, uz, vx, vy, vz = transverse_axes(dx, dy, dz)
    first = count
    for _ in range(1 + rng.poisson(visible / _LOCAL_SPOT)):
        path = along * rng.standard_exponential()
        distance = across * rng.standard_exponential()
        a, b = circle_point(rng)
        a *= distance
        b *= distance
        count = _add_displaced(
            spots, count, geometry, x, y, z,
            dx * path + ux * a + vx * b,
            dy * path + uy * a + vy * b,
            dz * path + uz * a + vz * b,
            rng.standard_exponential(),
        )  # fmt: skip
    scale_spots(spots, first, count, visible)
    return count


@njit(cache=True, error_model="numpy")
def _add_displaced(spots, count, geometry, x, y, z, ax, ay, az, energy):
    """A spot away from a point by (ax, ay, az) [mm] of matter; the gap on the way is none."""
    stretch = path_through_gap(geometry, x, y, z, ax, ay, az)
    return add_spot(spots, count, x + ax * stretch, y + ay * stretch, z + az * stretch, energy)


@njit(cache=True, error_model="numpy")
def _break_nuclei(rng, spots, count, geometry, cascade, x, y, z, dx, dy, dz, energy):
    """Spend energy on nuclei, part of it visible: (count, energy left for secondaries)."""
    share = cascade.nuclear_fraction_high + cascade.nuclear_fraction_low / (
        1.0 + (energy / cascade.nuclear_energy) ** 2
    )
    fluctuation = rng.standard_gamma(cascade.nuclear_shape) / cascade.nuclear_shape
    nuclear = energy * min(share * fluctuation, 0.8)
    along, across = _NUCLEAR_SIZE
    local = nuclear * cascade.visible_nuclear_local
    count = _deposit(rng, spots, count, geometry, x, y, z, dx, dy, dz, local, along, across)
    remote = nuclear * cascade.visible_nuclear_remote
    num_remote = 1 + int(remote / _REMOTE_SPOT)
    for _ in range(num_remote):
        ex, ey, ez = tilted(rng, dx, dy, dz, 2.0 * rng.random() - 1.0)
        distance = _REMOTE_RANGE * rng.standard_exponential()
        visible = remote / num_remote * rng.standard_exponential()
        count = _add_displaced(
            spots, count, geometry, x, y, z, distance * ex, distance * ey, distance * ez, visible
        )
    return count, energy - nuclear


@njit(cache=True, error_model="numpy")
def _produce(
    rng, spots, count, stack, depth, geometry, cascade, x, y, z, dx, dy, dz, energy, shared
):
    """Share energy among secondaries; push them, deposit soft hadrons: (count, depth)."""
    mean = cascade.multiplicity_slope * math.log(1.0 + energy)
    number = min(2 + rng.poisson(mean), _MAX_SECONDARIES)
    first = depth
    weights = 0.0
    for _ in range(number):
        weight = rng.standard_exponential() ** 1.4
        weights += weight
        depth = _push(stack, depth, x, y, z, dx, dy, dz, weight, 0.0, False)
    produced = depth
    depth = first
    for i in range(first, produced):
        part = shared * stack[i].energy / weights
        sine = cascade.transverse_momentum * math.sqrt(rng.standard_exponential()) / max(part, 1e-3)
        if sine < 1.0:
            cosine = math.sqrt(1.0 - sine * sine)
        else:
            cosine = 1.6 * rng.random() - 0.6
        ex, ey, ez = tilted(rng, dx, dy, dz, cosine)
        kind = rng.random()
        is_electromagnetic = kind < cascade.neutral_pion_fraction
        kind -= cascade.neutral_pion_fraction + cascade.neutral_hadron_fraction
        charge = 0.0
        if kind >= 0.0:
            charge = 1.0 if rng.random() < 0.5 else -1.0
        if part < _MIN_SECONDARY and not is_electromagnetic:
            visible = part * rng.beta(cascade.terminal_alpha, cascade.terminal_beta)
            along, across = _SOFT_SIZE
            count = _deposit(
                rng, spots, count, geometry, x, y, z, ex, ey, ez, visible, along, across
            )
            continue
        depth = _push(stack, depth, x, y, z, ex, ey, ez, part, charge, is_electromagnetic)
    return count, depth
