"""Electromagnetic showers: the sampling-calorimeter parametrisation of Grindhammer and Peters.

Formulas and constants: hep-ex/0001020 as implemented in Geant4's GFlash
(GVFlashHomoShowerTuning, GFlashSamplingShowerTuning). The longitudinal profile is a gamma
distribution with fluctuating shape; a spot's distance to the axis follows a core or a tail
distribution f(r) = 2 r R^2 / (r^2 + R^2)^2 whose width R depends on the relative depth tau.

The parametrisation has no calorimeter like CLICdet's among those it was fitted to, and describes
electrons. Its lateral widths, the start of its profile and the fluctuations of that are corrected
here to photons of 1, 10 and 50 GeV in Geant4 11.4 (standard electromagnetic physics, barrel of
CLICdet); the corrections are the same for all media.

Sampling fluctuations are not added to the energy: they are the statistics of the spots. The sum of
Poisson(2E/c^2) spots of (c^2/2) Exp(1) GeV has the variance c^2 E, with c the stochastic term.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL
from partflow.core.records import Array
from partflow.simulate.directions import transverse_axes
from partflow.simulate.fast.medium import GAP, OUTSIDE, medium_at, paths_to_exit
from partflow.simulate.fast.spots import add_spot, scale_spots

CONSTANT_TERM = 0.01
"""Constant term of the energy resolution."""
PHOTON_FREE_PATH = 9.0 / 7.0
"""Mean depth at which a photon converts [X0]."""
_SAMPLED_EARLIER = 0.85  # layers; the active material is behind the absorber of its layer
_FLUCTUATION_CORRECTION = 0.65  # factor to the fluctuations of the longitudinal profile
_CORE_CORRECTION = 1.075  # factor to the radius of the core
_TAIL_CORRECTION, _TAIL_CORRECTION_SLOPE = 1.065, 0.03  # the same of the tail, and per ln(E/GeV)
_CORE_WEIGHT_CORRECTION = -0.064  # added to the weight of the core
_MAX_RATIO = 2.0 * 0.97 / (1.0 - 0.97)
"""The radial distribution is cut where it encloses 97 %."""
_MAX_RADIUS = 5.0
"""Spots beyond this radius [Moliere radii] are spread evenly inside it."""

# Nodes of the radial table. Taking the nearest one in ln E shifts a radius by less than 1.3 % for
# tau < 3, and by less than 4 % at its end.
_LOG_ENERGY_MIN, _LOG_ENERGY_STEP, _NUM_LOG_ENERGIES = math.log(0.05), 0.25, 48
_TAU_STEP, _NUM_TAUS = 1.0 / 32.0, 256
CORE_RADIUS, TAIL_RADIUS, CORE_THRESHOLD = range(3)
"""Columns of the radial table."""


def radial_table(rows: Array) -> Array:
    """Radial distribution for rows of MEDIUM, [medium, ln E, tau, column].

    Columns: CORE_RADIUS and TAIL_RADIUS [Moliere radii], CORE_THRESHOLD = -ln(weight of the core).
    An entry is for the middle of its interval of tau; the first ln E also serves below 50 MeV.
    """
    medium = rows[:, None, None]
    log_energy = _LOG_ENERGY_MIN + _LOG_ENERGY_STEP * np.arange(_NUM_LOG_ENERGIES)[:, None]
    tau = _TAU_STEP * (np.arange(_NUM_TAUS) + 0.5)
    z, e_hat = medium["effective_z"], medium["electron_response"]
    layer_radiation_lengths = medium["layer_radiation_lengths"]

    core = 0.0251 + 0.00319 * log_energy + (0.1162 - 0.000381 * z) * tau
    core = core - 0.0203 * (1 - e_hat) + 0.0397 * layer_radiation_lengths * np.exp(-tau)
    tail = (0.659 - 0.00309 * z) * (
        np.exp(-2.59 * (tau - 0.645)) + np.exp((0.3585 + 0.0412 * log_energy) * (tau - 0.645))
    )
    tail = tail - 0.14 * (1 - e_hat) - 0.495 * layer_radiation_lengths * np.exp(-tau)
    g = (0.401 + 0.00187 * z - tau) / (1.313 - 0.0686 * log_energy)
    weight = (2.632 - 0.00094 * z) * np.exp(g - np.exp(g))
    weight = weight + (1 - e_hat) * (
        0.348 - 0.642 * layer_radiation_lengths * np.exp(-((tau - 1) ** 2))
    )
    core = core * _CORE_CORRECTION
    tail = tail * (_TAIL_CORRECTION + _TAIL_CORRECTION_SLOPE * log_energy)
    weight = weight + _CORE_WEIGHT_CORRECTION
    threshold = -np.log(np.clip(weight, np.finfo(np.float32).tiny, 1.0))
    table = np.stack([np.maximum(core, 0.02), np.maximum(tail, 0.02), threshold], axis=-1)
    return np.ascontiguousarray(table, dtype=np.float32)


@njit(cache=True, error_model="numpy")
def electromagnetic_shower(rng, spots, count, constants, ray, energy, is_photon):
    """Add the spots of the shower of a photon or electron on a Ray; returns the new count.

    Behind the ECAL the shower continues in the HCAL, its depth stretched by the HCAL's X0.
    """
    geometry, media, table = constants.geometry, constants.media, constants.radial_table
    x, y, z, dx, dy, dz = ray
    where = medium_at(geometry, x, y, z)
    if where == OUTSIDE or energy <= 0.0:
        return count
    if where == GAP:
        where = HCAL
    medium = media[where]
    shape, scale, to_tau = _longitudinal_profile(rng, medium, energy)
    start = -_SAMPLED_EARLIER * medium.layer_radiation_lengths
    if is_photon:
        start += rng.standard_exponential() * PHOTON_FREE_PATH
    ecal_path, gap_path = 1e30, 0.0
    if where == ECAL:
        ecal_path, gap_path = paths_to_exit(geometry, x, y, z, dx, dy, dz)

    num_spots, spot_energy, total = _spot_statistics(rng, medium, energy, constants.max_spots)
    node = int((math.log(max(energy, 0.05)) - _LOG_ENERGY_MIN) / _LOG_ENERGY_STEP + 0.5)
    node = min(node, _NUM_LOG_ENERGIES - 1)
    radiation_length, moliere_radius = medium.radiation_length, medium.moliere_radius
    max_radius = _MAX_RADIUS * moliere_radius
    stretch = media[HCAL].radiation_length / media[ECAL].radiation_length
    ux, uy, uz, vx, vy, vz = transverse_axes(dx, dy, dz)
    # gamma deviates: Marsaglia and Tsang (2000), for shape > 1; these are constant in the loop
    gamma_d = shape - 1.0 / 3.0
    gamma_c = 1.0 / math.sqrt(9.0 * gamma_d)
    first = count
    for _ in range(num_spots):
        depth = _gamma(rng, gamma_d, gamma_c) * scale  # X0 behind the start
        tau = min(int(depth * to_tau), _NUM_TAUS - 1)
        # An exponential deviate above -ln w is as likely as a uniform one below w, and cheaper.
        # The result is used as an index instead of in a branch.
        is_tail = int(rng.standard_exponential() < table[where, node, tau, CORE_THRESHOLD])
        width = table[where, node, tau, CORE_RADIUS + is_tail * (TAIL_RADIUS - CORE_RADIUS)]
        # f(r) is Student's t distribution with two degrees of freedom, in two dimensions
        a, b, chi = rng.standard_normal(), rng.standard_normal(), rng.standard_exponential()
        while a * a + b * b > _MAX_RATIO * chi:
            a, b, chi = rng.standard_normal(), rng.standard_normal(), rng.standard_exponential()
        spread = width * moliere_radius / math.sqrt(2.0 * chi)
        if spread * spread * (a * a + b * b) > max_radius * max_radius:
            spread = max_radius * rng.random() / math.sqrt(a * a + b * b)
        a *= spread
        b *= spread
        path = max(start + depth, 0.0) * radiation_length
        if path > ecal_path:
            path = ecal_path + gap_path + (path - ecal_path) * stretch
        count = add_spot(
            spots,
            count,
            x + dx * path + ux * a + vx * b,
            y + dy * path + uy * a + vy * b,
            z + dz * path + uz * a + vz * b,
            spot_energy * rng.standard_exponential(),
        )
    if total > 0.0:
        scale_spots(spots, first, count, total)
    return count


@njit(cache=True, error_model="numpy")
def _gamma(rng, d, c):
    """A gamma deviate of shape d + 1/3 > 1, where c = 1/sqrt(9 d)."""
    while True:
        normal = rng.standard_normal()
        v = 1.0 + c * normal
        if v <= 0.0:
            continue
        v = v * v * v
        minus_log_u = rng.standard_exponential()
        squared = normal * normal
        rejected = 0.0331 * squared * squared  # at most; the exact test is seldom needed
        if minus_log_u * (1.0 - rejected) > rejected:
            return d * v
        if minus_log_u > -0.5 * squared - d * (1.0 - v + math.log(v)):
            return d * v


@njit(cache=True, error_model="numpy")
def _longitudinal_profile(rng, medium, energy):
    """Shape and scale [X0] of the gamma profile, and the factor from depth [X0] to table index."""
    log_y = math.log(max(energy / medium.critical_energy, 2.0))
    layer_radiation_lengths, e_hat = medium.layer_radiation_lengths, medium.electron_response
    homogeneous_maximum = max(log_y - 0.812, 0.5)
    homogeneous_shape = max(0.81 + (0.458 + 2.26 / medium.effective_z) * log_y, 1.1)
    mean_maximum = max(
        homogeneous_maximum - 0.55 * layer_radiation_lengths - 0.69 * (1.0 - e_hat), 0.5
    )
    mean_shape = max(homogeneous_shape - 0.476 * layer_radiation_lengths, 1.2)

    sigma_maximum = _FLUCTUATION_CORRECTION * min(0.5, 1.0 / max(-2.5 + 1.25 * log_y, 1e-3))
    sigma_shape = _FLUCTUATION_CORRECTION * min(0.5, 1.0 / max(-0.82 + 0.79 * log_y, 1e-3))
    correlation = max(min(0.784 - 0.023 * log_y, 0.95), 0.0)
    common = math.sqrt((1.0 + correlation) / 2.0) * rng.standard_normal()
    opposite = math.sqrt((1.0 - correlation) / 2.0) * rng.standard_normal()
    maximum = max(mean_maximum * math.exp(sigma_maximum * (common + opposite)), 0.5)
    shape = max(mean_shape * math.exp(sigma_shape * (common - opposite)), 1.1)

    scale = maximum / (shape - 1.0)
    to_tau = (shape - 1.0) / (maximum * shape) * mean_shape / (mean_shape - 1.0)
    return shape, scale, to_tau / _TAU_STEP


@njit(cache=True, error_model="numpy")
def _spot_statistics(rng, medium, energy, max_spots):
    """Number of spots, mean energy of one [GeV], and their sum [GeV] if it is imposed, else 0.

    Above an energy of max_spots c^2/2 the number of spots is fixed. Their sum would fluctuate more
    than the calorimeter's: it is drawn with the calorimeter's resolution, and the spots are scaled.
    """
    variance = medium.sampling_variance
    calibration = max(1.0 + CONSTANT_TERM * rng.standard_normal(), 0.0)
    expected = 2.0 * energy / variance
    if expected <= max_spots:
        return rng.poisson(expected), variance / 2.0 * calibration, 0.0
    sampling = max(1.0 + math.sqrt(variance / energy) * rng.standard_normal(), 0.0)
    return max_spots, 1.0, energy * calibration * sampling
