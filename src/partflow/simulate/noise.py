"""Electronic noise of the calorimeters: Gaussian in each cell, before the threshold.

Every cell that a particle lit gets its noise, of either sign. Of the millions of others only those
above threshold matter: their number is Poisson with mean (number of cells) x P(> threshold), their
place even over the cells, their energy from the Gaussian's tail. Noise is energy of no particle
(`hits.NOISE`): contributions of a hit sum to its energy without noise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL, Detector
from partflow.core.errors import ConfigError
from partflow.core.records import Array
from partflow.simulate.cells import NO_CELL, cell_grid, cell_key, cell_subdetector
from partflow.simulate.config import SimulationConfig
from partflow.simulate.hits import NOISE, cell_of, contribution_key

MAX_NOISE_HITS = 5000.0
"""Mean number of noise hits of an event that is refused."""
TIME_WINDOW = 10.0
"""A hit of noise alone has a time even in this window after the collision [ns]."""

SHEET = np.dtype(
    [
        ("subdetector", "i8"),
        ("region", "i8"),
        ("depth", "f8"),  # mm, radius of a barrel layer, abs(z) of an endcap's
        ("inner", "f8"),  # mm, range of abs(z) in the barrel, of the radius in the endcap
        ("outer", "f8"),
        ("num_cells", "f8"),
    ]
)
"""The cells of one layer group, both sides of the interaction point together."""


class NoiseConstants(NamedTuple):
    """Noise as kernels take it."""

    sheets: Array
    """[sheet]: rows of SHEET."""
    cumulative: Array
    """[sheet]: mean noise hits of the sheets up to this one."""
    width: Array
    """[ECAL | HCAL]: standard deviation [GeV]."""
    threshold: Array
    """[ECAL | HCAL]: GeV."""


def sheets(detector: Detector) -> Array:
    """The layer groups of a detector; numbers of cells are areas over that of a cell."""
    geometry = detector.geometry()
    rows = []

    def add(part: int, cell: float, region: int, depth: float, inner: float, outer: float) -> None:
        around = 2.0 * depth * (outer - inner) if region == BARREL else outer**2 - inner**2
        rows.append((part, region, depth, inner, outer, 2.0 * math.pi * around / cell**2))

    hole, z_ecal, behind = geometry.endcap_material_r, geometry.endcap_z, geometry.ecal_depth
    behind += geometry.gap
    between = geometry.ecal_endcap_r + geometry.gap / 2.0
    for group in range(geometry.ecal_groups):
        depth = (group + 0.5) * geometry.ecal_group
        add(ECAL, geometry.ecal_cell, BARREL, geometry.barrel_r + depth, 0.0, z_ecal)
        add(ECAL, geometry.ecal_cell, ENDCAP, z_ecal + depth, hole, between)
    for group in range(geometry.hcal_groups):
        depth = behind + (group + 0.5) * geometry.hcal_group
        add(HCAL, geometry.hcal_cell, BARREL, geometry.barrel_r + depth, 0.0, z_ecal)
        add(HCAL, geometry.hcal_cell, ENDCAP, z_ecal + depth, hole, geometry.hcal_endcap_r)
    for group in range(cell_grid(detector).ring_groups):
        z = z_ecal + behind - (group + 0.5) * geometry.hcal_group
        add(HCAL, geometry.hcal_cell, ENDCAP, z, between, geometry.hcal_endcap_r)
    return np.array(rows, dtype=SHEET)


def noise_constants(detector: Detector, config: SimulationConfig) -> NoiseConstants:
    """The noise of a detector.

    Raises ConfigError where it would light more than MAX_NOISE_HITS cells an event.
    """
    rows = sheets(detector)
    parts = (detector.ecal, detector.hcal)
    names = ("noise_ecal", "noise_hcal")
    width = [getattr(config, n) * p.mip_energy for n, p in zip(names, parts, strict=True)]
    threshold = [p.threshold for p in parts]
    above = np.array([tail_probability(t, w) for t, w in zip(threshold, width, strict=True)])
    expected = rows["num_cells"] * above[rows["subdetector"]]
    for part, name in ((ECAL, "noise_ecal"), (HCAL, "noise_hcal")):
        num = expected[rows["subdetector"] == part].sum()
        if num > MAX_NOISE_HITS:
            raise ConfigError(
                f"simulation: {name} = {getattr(config, name):g} MIP lights {num:.3g} cells an "
                f"event, more than {MAX_NOISE_HITS:g}; choose less noise or a higher threshold"
            )
    return NoiseConstants(rows, np.cumsum(expected), np.array(width), np.array(threshold))


def tail_probability(threshold: float, width: float) -> float:
    """Probability that Gaussian noise of a width is above the threshold."""
    return 0.5 * math.erfc(threshold / (width * math.sqrt(2.0))) if width > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def noise_of_event(rng, keys, noise, grid):
    """Noise beside contributions with sorted `keys`: (keys, energies [GeV], times [ns]).

    A time is infinite where a particle's counts.
    """
    num_dark = rng.poisson(noise.cumulative[-1])
    new_keys = np.empty(len(keys) + num_dark, dtype=np.int64)
    energies, times = np.empty(len(new_keys)), np.empty(len(new_keys))
    count = 0
    for i in range(len(keys)):
        cell = cell_of(keys[i])
        width = noise.width[cell_subdetector(cell)]
        if width > 0.0 and (i == 0 or cell_of(keys[i - 1]) != cell):
            new_keys[count] = contribution_key(cell, NOISE)
            energies[count] = width * rng.standard_normal()
            times[count] = np.inf
            count += 1
    for _ in range(num_dark):
        at = rng.random() * noise.cumulative[-1]
        sheet = noise.sheets[np.searchsorted(noise.cumulative, at, side="right")]
        cell = _random_cell(rng, sheet, grid)
        part = sheet.subdetector
        energy = noise.width[part] * _tail(rng, noise.threshold[part] / noise.width[part])
        if cell == NO_CELL:
            continue
        lit = np.searchsorted(keys, contribution_key(cell, 0))
        if lit < len(keys) and cell_of(keys[lit]) == cell:
            continue  # it has its noise already
        new_keys[count] = contribution_key(cell, NOISE)
        energies[count] = energy
        times[count] = TIME_WINDOW * rng.random()
        count += 1
    return new_keys[:count], energies[:count], times[:count]


@njit(cache=True, error_model="numpy")
def _random_cell(rng, sheet, grid):
    """A cell of a sheet, as likely as its area in it."""
    phi = 2.0 * math.pi * rng.random()
    place = rng.random()
    side = 1.0 if rng.random() < 0.5 else -1.0
    if sheet.region == BARREL:
        radius, z = sheet.depth, side * (sheet.inner + (sheet.outer - sheet.inner) * place)
    else:
        radius = math.sqrt(sheet.inner**2 + (sheet.outer**2 - sheet.inner**2) * place)
        z = side * sheet.depth
    return cell_key(grid, radius * math.cos(phi), radius * math.sin(phi), z)


@njit(cache=True, error_model="numpy")
def _tail(rng, low):
    """A standard normal deviate above `low` > 0: Robert, Stat. Comput. 5 (1995) 121."""
    rate = 0.5 * (low + math.sqrt(low * low + 4.0))
    while True:
        x = low + rng.standard_exponential() / rate
        if rng.random() <= math.exp(-0.5 * (x - rate) ** 2):
            return x
