"""Hadronic showers: a small cascade of tracks, interactions and electromagnetic sub-showers.

One model gives the longitudinal and lateral fluctuations, those of the electromagnetic share,
minimum-ionising tracks inside the shower, and deposits far from its core. It is a choice of ours.
Its constants, here and in `SimulationConfig`, were fitted to Geant4 11.4 (FTFP_BERT, deposits
within 10 ns of the arrival of light): shapes and hits of showers of K0L and pions of 2 to 50 GeV
and neutrons of 1.5 to 10 GeV in the barrel of CLICdet, and deposits of muons of 10 GeV. The energy
resolution of neutral hadrons is that published for CLICdet, which is worse than Geant4's without
digitisation. Energies are kinetic-like: what a particle can deposit.

A hadron that ends the cascade, and a nucleus that breaks up, deposit their energy in two parts:
protons and photons near the point of interaction, neutrons far from it in any direction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL
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
    path_factor: float
    """Mean free path to the first interaction [interaction lengths]; NEVER for a muon."""
    leading_weight: float
    """Weight that its first secondary has in addition, 0 for mesons: see `_interact`."""


class Interaction(NamedTuple):
    """What a hadron brings to an interaction."""

    ray: Ray
    energy: float
    leading_weight: float


class Deposit(NamedTuple):
    """Visible energy that is spread about a point."""

    energy: float
    """GeV, EM scale."""
    remote_share: float
    """Share that neutrons carry away."""
    along: float
    """Mean distance of the rest along the particle [mm]; exponential, as the next one."""
    across: float
    """Mean distance across [mm]."""


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
_MIP_LEAST = (0.80, 0.65)  # MIP, least deposit in a layer; pairs are [ECAL, HCAL]
_MIP_WIDTH = (0.52, 0.27)  # MIP, scale of the tail above it
_MIP_POWER = (0.60, 0.70)  # the tail falls as the deposit to the power -1 - 1/this
_MAX_MIP_TAIL = 300.0  # widths
_IONISATION_LOSS = 1.05  # energy loss per EM-scale energy deposited by a MIP
_MIN_BENT_MOMENTUM = 0.05  # GeV
_MAX_SECONDARIES = 60
_MIN_SECONDARY = 0.10  # GeV; below, a hadron deposits where it is made
_PART_ENERGY = 2.0  # GeV; the visible share of a stopping hadron is a mean over 1 + E/this parts
_MESON_PATH_ENERGY = 0.35  # GeV; the free path of mesons falls below some times this energy
_ECAL_RESPONSE = 0.93  # visible energy of nuclear fragments in silicon per that in scintillator
_SPOT_ENERGY = (0.023, 0.05)  # GeV, mean
_TERMINAL_ALONG = (11.0, 100.0)  # mm for 1 GeV; both grow with the square root of the energy
_TERMINAL_ACROSS = (25.0, 49.0)  # mm for 1 GeV
_TERMINAL_REMOTE = (0.80, 0.62)  # share of neutrons: see `_remote_share`
_TERMINAL_REMOTE_ENERGIES = (0.5, 4.0)  # GeV; below and above, the share is smaller
_NUCLEAR_ALONG = (8.1, 56.0)  # mm
_NUCLEAR_ACROSS = (22.0, 27.0)  # mm
_NUCLEAR_REMOTE = (0.16, 0.19)
_SOFT_ALONG, _SOFT_ACROSS = 20.0, 10.0  # mm
_REMOTE_RANGE = 195.0  # mm; a distance is this times an exponential deviate to a power
_REMOTE_RANGE_POWER = 1.27
_REMOTE_FORWARD = 0.43  # cosines are 2 u^this - 1 with uniform u: forwards below 1
_REMOTE_AGAIN = 0.5  # probability that a remote deposit is of the same neutron as the last one
_REMOTE_STEP = 15.0  # mm, mean distance of these two


@njit(cache=True, error_model="numpy")
def meson_path_factor(cascade, energy):
    """Mean free path of a meson of an energy [GeV] to its first interaction [interaction lengths].

    In Geant4 that of K0L is 155, 178 and 183 mm in the ECAL at 2, 10 and 50 GeV, that of charged
    pions 180, 206 and 214 mm; that of neutrons is 190 to 200 mm.
    """
    return cascade.meson_path_factor * energy / (energy + _MESON_PATH_ENERGY)


@njit(cache=True, error_model="numpy")
def hadronic_shower(rng, spots, count, stack, constants, hadron):
    """Add the spots of the shower of a Hadron: (new count, whether `stack` was large enough).

    `stack` holds the particles of the cascade that are still to be followed.
    """
    depth = _push(stack, 0, hadron.ray, hadron.energy, hadron.charge, False)
    path_factor, leading_weight = hadron.path_factor, hadron.leading_weight
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
        medium = HCAL if where == HCAL else ECAL  # what is in the gap began in the ECAL
        if rng.random() < math.exp(-((energy / constants.cascade.terminal_energy) ** 2)):
            count = _stop(rng, spots, count, constants, ray, energy, medium)
            continue
        if depth + _MAX_SECONDARIES > len(stack):
            return count, False
        interaction = Interaction(ray, energy, leading_weight)
        count, depth = _interact(rng, spots, count, stack, depth, constants, interaction, medium)
        leading_weight = 0.0
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
                visible = min(mip * _straggling(rng, where), energy)
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
def _straggling(rng, medium):
    """Energy that a charged particle leaves in a layer [MIP].

    A least deposit and a tail of Pareto's distribution, from delta electrons and radiation.
    """
    tail = math.exp(_MIP_POWER[medium] * rng.standard_exponential()) - 1.0
    return _MIP_LEAST[medium] + _MIP_WIDTH[medium] * min(tail, _MAX_MIP_TAIL)


@njit(cache=True, error_model="numpy", inline="always")
def _stop(rng, spots, count, constants, ray, energy, medium):
    """Deposit the visible energy of a hadron that ends the cascade; returns the new count.

    It is inlined: as a call of its own it would cost 1 % of an event.
    """
    cascade = constants.cascade
    num_parts = 1.0 + energy / _PART_ENERGY
    share = rng.beta(num_parts * cascade.terminal_alpha, num_parts * cascade.terminal_beta)
    size = math.sqrt(energy)
    deposit = Deposit(
        energy * share,
        _remote_share(medium, energy),
        _TERMINAL_ALONG[medium] * size,
        _TERMINAL_ACROSS[medium] * size,
    )
    return _deposit(rng, spots, count, constants.geometry, ray, medium, deposit)


@njit(cache=True, error_model="numpy", inline="always")
def _remote_share(medium, energy):
    """Share of the visible energy of a hadron that ends the cascade which neutrons carry away.

    Slow hadrons make few neutrons; in collisions of fast ones most energy goes to pions.
    """
    low, high = _TERMINAL_REMOTE_ENERGIES
    return _TERMINAL_REMOTE[medium] * energy / (low + energy + energy * energy / high)


@njit(cache=True, error_model="numpy")
def _deposit(rng, spots, count, geometry, ray, medium, deposit):
    """Spread a Deposit about the start of a Ray in a medium; returns the new count."""
    visible = deposit.energy
    if medium == ECAL:
        visible *= _ECAL_RESPONSE
    if visible <= 0.0:
        return count
    dx, dy, dz = ray.dx, ray.dy, ray.dz
    ux, uy, uz, vx, vy, vz = transverse_axes(dx, dy, dz)
    first = count
    ax, ay, az, far = dx, dy, dz, 0.0  # direction and distance of the last neutron
    for _ in range(1 + rng.poisson(visible / _SPOT_ENERGY[medium])):
        if rng.random() < deposit.remote_share:
            if far > 0.0 and rng.random() < _REMOTE_AGAIN:
                far += _REMOTE_STEP * rng.standard_exponential()
            else:
                cosine = 2.0 * rng.random() ** _REMOTE_FORWARD - 1.0
                ax, ay, az = tilted(rng, dx, dy, dz, cosine)
                far = _REMOTE_RANGE * rng.standard_exponential() ** _REMOTE_RANGE_POWER
            displacement = (far * ax, far * ay, far * az)
        else:
            path = deposit.along * rng.standard_exponential()
            distance = deposit.across * rng.standard_exponential()
            a, b = circle_point(rng)
            a *= distance
            b *= distance
            displacement = (
                dx * path + ux * a + vx * b,
                dy * path + uy * a + vy * b,
                dz * path + uz * a + vz * b,
            )
        deviate = rng.standard_exponential()
        energy = deviate * deviate  # more small deposits than with an exponential distribution
        point = (ray.x, ray.y, ray.z)
        count = _add_displaced(spots, count, geometry, point, displacement, energy)
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
def _break_nuclei(rng, spots, count, constants, ray, energy, medium):
    """Deposit the energy spent on nuclei: (new count, energy left for secondaries [GeV])."""
    cascade = constants.cascade
    share = cascade.nuclear_fraction_high + cascade.nuclear_fraction_low / (
        1.0 + (energy / cascade.nuclear_energy) ** 2
    )
    fluctuation = rng.standard_gamma(cascade.nuclear_shape) / cascade.nuclear_shape
    nuclear = energy * min(share * fluctuation, 0.8)
    deposit = Deposit(
        nuclear * cascade.visible_nuclear,
        _NUCLEAR_REMOTE[medium],
        _NUCLEAR_ALONG[medium],
        _NUCLEAR_ACROSS[medium],
    )
    count = _deposit(rng, spots, count, constants.geometry, ray, medium, deposit)
    return count, energy - nuclear


@njit(cache=True, error_model="numpy")
def _interact(rng, spots, count, stack, depth, constants, interaction, medium):
    """Spend the energy of a hadron on nuclei and secondaries: (new count, new depth of the stack).

    Secondaries are pushed on the stack; soft hadrons deposit their energy at once. The first
    secondary of a baryon is a hadron that takes a larger share: the baryon goes on.
    """
    geometry, cascade, ray = constants.geometry, constants.cascade, interaction.ray
    count, shared = _break_nuclei(rng, spots, count, constants, ray, interaction.energy, medium)
    mean = cascade.multiplicity_slope * math.log(1.0 + interaction.energy)
    number = min(2 + rng.poisson(mean), _MAX_SECONDARIES)
    weights = 0.0
    for i in range(depth, depth + number):  # the stack keeps the weights until they are energies
        stack[i].energy = rng.standard_exponential() ** 1.4
        weights += stack[i].energy
    stack[depth].energy += interaction.leading_weight
    weights += interaction.leading_weight
    leader = depth if interaction.leading_weight > 0.0 else -1
    for i in range(depth, depth + number):
        part = shared * stack[i].energy / weights
        sine = cascade.transverse_momentum * math.sqrt(rng.standard_exponential()) / max(part, 1e-3)
        if sine < 1.0:
            cosine = math.sqrt(1.0 - sine * sine)
        else:
            cosine = 1.6 * rng.random() - 0.6
        dx, dy, dz = tilted(rng, ray.dx, ray.dy, ray.dz, cosine)
        direction = Ray(ray.x, ray.y, ray.z, dx, dy, dz)
        kind = rng.random()
        if i == leader:
            kind = cascade.neutral_pion_fraction + (1.0 - cascade.neutral_pion_fraction) * kind
        is_electromagnetic = kind < cascade.neutral_pion_fraction
        kind -= cascade.neutral_pion_fraction + cascade.neutral_hadron_fraction
        charge = 0.0
        if kind >= 0.0:
            charge = 1.0 if rng.random() < 0.5 else -1.0
        if part < _MIN_SECONDARY and not is_electromagnetic:
            visible = part * rng.beta(cascade.terminal_alpha, cascade.terminal_beta)
            deposit = Deposit(visible, _remote_share(medium, part), _SOFT_ALONG, _SOFT_ACROSS)
            count = _deposit(rng, spots, count, geometry, direction, medium, deposit)
            continue
        depth = _push(stack, depth, direction, part, charge, is_electromagnetic)
    return count, depth
