"""Electronic noise of the calorimeters: Gaussian in each cell, before the threshold.

Every cell with energy of particles gets noise of either sign. Of the millions of other cells only
those with noise above the threshold matter: their number is Poisson with mean (number of cells) x
P(noise > threshold), their place uniform over the cells, their energy from the tail of the
Gaussian. Noise belongs to no particle (`hits.NOISE`): the contributions of a hit sum to its energy
without noise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL, Detector
from partflow.core.errors import ConfigError
from partflow.core.records import Array
from partflow.simulate.cells import NO_CELL, cell_grid, cell_key, cell_subdetector, threshold_of
from partflow.simulate.config import SimulationConfig
from partflow.simulate.hits import NOISE, cell_of, contribution_key

MAX_NOISE_HITS = 5000.0
"""Largest mean number of noise hits per event that is accepted."""
TIME_WINDOW = 10.0
"""The time of a hit of noise alone is uniform in this window after the collision [ns]."""

LAYER_GROUP = np.dtype(
    [
        ("subdetector", "i8"),
        ("region", "i8"),
        ("depth", "f8"),  # mm, radius of a barrel layer, abs(z) of an endcap's
        ("inner", "f8"),  # mm, range of abs(z) in the barrel, of the radius in the endcap
        ("outer", "f8"),
        ("num_cells", "f8"),
    ]
)
"""The cells of one layer group, on both sides of the interaction point."""


class NoiseConstants(NamedTuple):
    """Noise of a detector, for kernels."""

    layer_groups: Array
    """[layer group]: rows of LAYER_GROUP."""
    cumulative: Array
    """[layer group]: mean number of noise hits of the layer groups up to this one."""
    width: Array
    """[ECAL | HCAL]: standard deviation [GeV]."""


def layer_groups(detector: Detector) -> Array:
    """Rows of LAYER_GROUP; numbers of cells are areas over the area of a cell."""
    geometry = detector.geometry()
    rows = []

    def add(part: int, cell: float, region: int, depth: float, inner: float, outer: float) -> None:
        area = 2.0 * depth * (outer - inner) if region == BARREL else outer**2 - inner**2
        rows.append((part, region, depth, inner, outer, 2.0 * math.pi * area / cell**2))

    hole, z_ecal, hcal_depth = geometry.endcap_material_r, geometry.endcap_z, geometry.ecal_depth
    hcal_depth += geometry.gap
    ring_r = geometry.ecal_endcap_r + geometry.gap / 2.0
    for group in range(geometry.ecal_groups):
        depth = (group + 0.5) * geometry.ecal_group
        add(ECAL, geometry.ecal_cell, BARREL, geometry.barrel_r + depth, 0.0, z_ecal)
        add(ECAL, geometry.ecal_cell, ENDCAP, z_ecal + depth, hole, ring_r)
    for group in range(geometry.hcal_groups):
        depth = hcal_depth + (group + 0.5) * geometry.hcal_group
        add(HCAL, geometry.hcal_cell, BARREL, geometry.barrel_r + depth, 0.0, z_ecal)
        add(HCAL, geometry.hcal_cell, ENDCAP, z_ecal + depth, hole, geometry.hcal_endcap_r)
    for group in range(cell_grid(detector).ring_groups):
        z = z_ecal + hcal_depth - (group + 0.5) * geometry.hcal_group
        add(HCAL, geometry.hcal_cell, ENDCAP, z, ring_r, geometry.hcal_endcap_r)
    return np.array(rows, dtype=LAYER_GROUP)


def noise_constants(detector: Detector, config: SimulationConfig) -> NoiseConstants:
    """The noise of a detector.

    Raises ConfigError where it would make more than MAX_NOISE_HITS hits per event.
    """
    rows = layer_groups(detector)
    parts = (detector.ecal, detector.hcal)
    names = ("noise_ecal", "noise_hcal")
    width = [getattr(config, n) * p.mip_energy for n, p in zip(names, parts, strict=True)]
    above = np.array([tail_probability(p.threshold, w) for p, w in zip(parts, width, strict=True)])
    expected = rows["num_cells"] * above[rows["subdetector"]]
    for part, name in ((ECAL, "noise_ecal"), (HCAL, "noise_hcal")):
        num = expected[rows["subdetector"] == part].sum()
        if num > MAX_NOISE_HITS:
            raise ConfigError(
                f"simulation: {name} = {getattr(config, name):g} MIP gives {num:.3g} noise hits "
                f"per event, above {MAX_NOISE_HITS:g}; choose less noise or a higher threshold"
            )
    return NoiseConstants(rows, np.cumsum(expected), np.array(width))


def tail_probability(threshold: float, width: float) -> float:
    """Probability that Gaussian noise of standard deviation `width` is above the threshold."""
    return 0.5 * math.erfc(threshold / (width * math.sqrt(2.0))) if width > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def noise_of_event(rng, keys, noise, grid):
    """Contributions of noise to an event: (keys, energies [GeV], times [ns]).

    `keys` are those of the contributions of particles, sorted. A time is infinite where particles
    contribute to the cell: then theirs counts.
    """
    num_noise_hits = rng.poisson(noise.cumulative[-1])
    noise_keys = np.empty(len(keys) + num_noise_hits, dtype=np.int64)
    energies, times = np.empty(len(noise_keys)), np.empty(len(noise_keys))
    count = 0
    for i in range(len(keys)):
        cell = cell_of(keys[i])
        width = noise.width[cell_subdetector(cell)]
        if width > 0.0 and (i == 0 or cell_of(keys[i - 1]) != cell):
            noise_keys[count] = contribution_key(cell, NOISE)
            energies[count] = width * rng.standard_normal()
            times[count] = np.inf
            count += 1
    for _ in range(num_noise_hits):
        at = rng.random() * noise.cumulative[-1]
        group = noise.layer_groups[np.searchsorted(noise.cumulative, at, side="right")]
        cell = _random_cell(rng, group, grid)
        part = group.subdetector
        width = noise.width[part]
        energy = width * _tail(rng, threshold_of(grid, part) / width)
        if cell == NO_CELL:
            continue
        row = np.searchsorted(keys, contribution_key(cell, 0))
        if row < len(keys) and cell_of(keys[row]) == cell:
            continue  # the cell has energy of particles, and its noise already
        noise_keys[count] = contribution_key(cell, NOISE)
        energies[count] = energy
        times[count] = TIME_WINDOW * rng.random()
        count += 1
    return noise_keys[:count], energies[:count], times[:count]


@njit(cache=True, error_model="numpy")
def _random_cell(rng, group, grid):
    """Key of a random cell of a layer group: that of a point uniform in its area."""
    phi = 2.0 * math.pi * rng.random()
    place = rng.random()
    side = 1.0 if rng.random() < 0.5 else -1.0
    if group.region == BARREL:
        radius, z = group.depth, side * (group.inner + (group.outer - group.inner) * place)
    else:
        radius = math.sqrt(group.inner**2 + (group.outer**2 - group.inner**2) * place)
        z = side * group.depth
    return cell_key(grid, radius * math.cos(phi), radius * math.sin(phi), z)


@njit(cache=True, error_model="numpy")
def _tail(rng, low):
    """A standard normal deviate above `low` > 0: Robert, Stat. Comput. 5 (1995) 121."""
    rate = 0.5 * (low + math.sqrt(low * low + 4.0))
    while True:
        x = low + rng.standard_exponential() / rate
        if rng.random() <= math.exp(-0.5 * (x - rate) ** 2):
            return x
