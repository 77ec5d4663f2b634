"""Hits: energy deposits summed in cells, per particle; the threshold applies to the cell's sum.

While an event is simulated, a hash table sums energy per (cell, generator particle): its size
follows the number of contributions, not of deposits. Afterwards the contributions are sorted by
cell and summed to hits. Hits are ordered by cell: their order holds no truth.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.simulate.cells import (
    KEY_BITS,
    NO_CELL,
    cell_centre,
    cell_key,
    cell_subdetector,
    threshold_of,
)

SPOT = np.dtype([("x", "f8"), ("y", "f8"), ("z", "f8"), ("energy", "f8"), ("cell", "i8")])
"""An energy deposit at a point: position [mm] and EM-scale energy [GeV]; `cell` is set here."""

_PARTICLE_BITS = 62 - KEY_BITS
MAX_PARTICLES = 1 << _PARTICLE_BITS
"""Number of particles in an event that the key of a contribution can tell apart."""
NOISE = MAX_PARTICLES - 1
"""Stands for the particle in the key of a contribution of noise."""

_FREE = -1
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing

SLOT = np.dtype([("key", "i8"), ("energy", "f8")])
"""Slot of the hash table: key of a contribution, or free; and its energy [GeV]."""


def empty_table(size: int) -> tuple[Array, Array]:
    """A hash table of `size` slots, a power of two, and a list for the half that may be used."""
    slots = np.zeros(size, dtype=SLOT)
    slots["key"] = _FREE
    return slots, np.empty(size // 2, dtype=np.int64)


@njit(cache=True, error_model="numpy")
def accumulate(slots, used, count, spots, num_spots, grid, particle):
    """Add the first `num_spots` of `spots`, of one particle, to a hash table of contributions.

    The table holds `count` contributions; `used` lists its slots in the order of their first use.
    Returns the new count, or more than `len(used)` if the table is too small.
    """
    shift = np.uint64(66 - _log2(len(slots)))
    last = len(slots) - 1
    # Two loops: the branches of the second are mispredicted, which would slow down the first.
    for i in range(num_spots):
        spots[i].cell = cell_key(grid, spots[i].x, spots[i].y, spots[i].z)
    for i in range(num_spots):
        cell = spots[i].cell
        if cell == NO_CELL:
            continue
        key = (cell << _PARTICLE_BITS) | particle
        # cells side by side share a cache line: their last bits are not spread
        spread = np.uint64(key >> (_PARTICLE_BITS + 2) << _PARTICLE_BITS | particle) * _SPREAD
        index = np.int64(spread >> shift) << 2 | (cell & 3)
        while slots[index].key != key:
            if slots[index].key == _FREE:
                if count >= len(used):
                    return count + 1
                slots[index].key = key
                slots[index].energy = 0.0
                used[count] = index
                count += 1
                break
            index = (index + 1) & last
        slots[index].energy += spots[i].energy
    return count


@njit(cache=True, error_model="numpy")
def _log2(size):
    """Logarithm to base 2 of a power of two."""
    exponent = 0
    while size > 1:
        size >>= 1
        exponent += 1
    return exponent


@njit(cache=True, error_model="numpy")
def empty_out(slots, used, count):
    """(keys, energies) of `count` contributions, in order of first use; frees their slots."""
    keys = np.empty(count, dtype=np.int64)
    energies = np.empty(count)
    for i in range(count):
        slot = slots[used[i]]
        keys[i] = slot.key
        energies[i] = slot.energy
        slot.key = _FREE
    return keys, energies


@njit(cache=True, error_model="numpy", inline="always")
def cell_of(key):
    """Key of the cell in the key of a contribution."""
    return key >> _PARTICLE_BITS


@njit(cache=True, error_model="numpy", inline="always")
def contribution_key(cell, particle):
    """Key of the energy that a particle, or NOISE, leaves in a cell."""
    return (cell << _PARTICLE_BITS) | particle


@njit(cache=True, error_model="numpy")
def cell_sum(keys, energies, start, end):
    """Sum the contributions from `start` on that are in one cell: (the next one, energy)."""
    stop = start
    total = 0.0
    while stop < end and cell_of(keys[stop]) == cell_of(keys[start]):
        total += energies[stop]
        stop += 1
    return stop, total


@njit(cache=True, error_model="numpy")
def first_times(keys, energies, times, offsets, grid):
    """The earliest of the `times` [contribution] of each hit that `build_hits` makes, [hit]."""
    first = np.empty(len(keys), np.float32)
    hits = 0
    for event in range(len(offsets) - 1):
        stop = offsets[event]
        while stop < offsets[event + 1]:
            start = stop
            stop, total = cell_sum(keys, energies, start, offsets[event + 1])
            if total > threshold_of(grid, cell_subdetector(cell_of(keys[start]))):
                first[hits] = np.inf
                for i in range(start, stop):
                    first[hits] = min(first[hits], times[i])
                hits += 1
    return first[:hits]


@njit(cache=True, error_model="numpy")
def build_hits(keys, energies, offsets, grid):
    """Hits above threshold and their contributions.

    `keys` and `energies` [contribution] are sorted by key within events, which end at `offsets`.
    Returns (hit_offsets, x, y, z, energy_em, subdetector, region, layer) of the hits and
    (contribution_offsets, hit_index, particle_index, energy_em) of the contributions: columns of
    HITS and CONTRIBUTIONS. Contributions of noise are left out.
    """
    size = len(keys)
    x, y, z = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    hit_energy = np.empty(size, np.float32)
    subdetector, region = np.empty(size, np.int8), np.empty(size, np.int8)
    layer = np.empty(size, np.int16)
    hit_index, particle_index = np.empty(size, np.int32), np.empty(size, np.int32)
    energy = np.empty(size, np.float32)
    hit_offsets, contribution_offsets = np.zeros_like(offsets), np.zeros_like(offsets)
    hits, contributions = 0, 0
    for event in range(len(offsets) - 1):
        stop = offsets[event]
        while stop < offsets[event + 1]:
            start = stop
            cell = cell_of(keys[start])
            stop, total = cell_sum(keys, energies, start, offsets[event + 1])
            if total <= threshold_of(grid, cell_subdetector(cell)):
                continue
            x[hits], y[hits], z[hits], subdetector[hits], region[hits], layer[hits] = cell_centre(
                grid, cell
            )
            hit_energy[hits] = total
            for i in range(start, stop):
                particle = keys[i] & (MAX_PARTICLES - 1)
                if particle == NOISE:
                    continue
                hit_index[contributions] = hits - hit_offsets[event]
                particle_index[contributions] = particle
                energy[contributions] = energies[i]
                contributions += 1
            hits += 1
        hit_offsets[event + 1] = hits
        contribution_offsets[event + 1] = contributions
    return (
        (
            hit_offsets, x[:hits], y[:hits], z[:hits], hit_energy[:hits],
            subdetector[:hits], region[:hits], layer[:hits],
        ),
        (
            contribution_offsets,
            hit_index[:contributions],
            particle_index[:contributions],
            energy[:contributions],
        ),
    )  # fmt: skip
