"""Sums in cells: of spots to contributions, of contributions to hits."""

import numpy as np
import pytest

from partflow.core.detector import HCAL
from partflow.core.known_detectors import CLIC
from partflow.simulate.cells import cell_grid
from partflow.simulate.hits import SPOT, accumulate, build_hits, empty_out, empty_table

GRID = cell_grid(CLIC)
IN_ECAL, IN_HCAL = (1550.0, 3.0, 100.0), (0.0, 2000.0, -100.0)


def spots_at(*rows):
    """Spots given as (point, energy)."""
    spots = np.zeros(len(rows), dtype=SPOT)
    for spot, (point, energy) in zip(spots, rows, strict=True):
        spot["x"], spot["y"], spot["z"] = point
        spot["energy"] = energy
    return spots


def hits_of(*particles):
    """Hits and contributions of one event of particles, each given by its spots."""
    slots, used = empty_table(64)
    count = 0
    for index, spots in enumerate(particles):
        count = accumulate(slots, used, count, spots, len(spots), GRID, index)
    keys, energies = empty_out(slots, used, count)
    assert (slots["key"] == -1).all()
    order = np.argsort(keys)
    return build_hits(keys[order], energies[order], np.array([0, count]), GRID)


def test_two_particles_below_threshold_make_a_hit_if_their_sum_is_above_it():
    share = 0.6 * CLIC.ecal.threshold
    alone, _ = hits_of(spots_at((IN_ECAL, share)))
    assert alone[0].tolist() == [0, 0]
    hits, contributions = hits_of(spots_at((IN_ECAL, share)), spots_at((IN_ECAL, share)))
    offsets, *_, energy, subdetector, region, layer = hits
    assert offsets.tolist() == [0, 1]
    assert energy[0] == pytest.approx(2 * share)
    assert (subdetector[0], region[0], layer[0]) == (0, 0, 2)
    _, hit_index, particle_index, parts = contributions
    assert hit_index.tolist() == [0, 0]
    assert particle_index.tolist() == [0, 1]
    assert parts == pytest.approx(share)


def test_the_contributions_of_a_dropped_hit_are_dropped():
    soft, hard = 0.5 * CLIC.hcal.threshold, 0.5
    hits, (_, hit_index, particle_index, parts) = hits_of(
        spots_at((IN_ECAL, hard)), spots_at((IN_HCAL, soft), (IN_ECAL, hard))
    )
    assert hits[4] == pytest.approx([1.0])
    assert hit_index.tolist() == [0, 0]
    assert particle_index.tolist() == [0, 1]
    assert parts == pytest.approx(hard)


def test_the_calorimeters_have_their_own_thresholds():
    between = 0.5 * (CLIC.ecal.threshold + CLIC.hcal.threshold)
    assert hits_of(spots_at((IN_ECAL, between)))[0][0].tolist() == [0, 1]
    assert hits_of(spots_at((IN_HCAL, between)))[0][0].tolist() == [0, 0]


def test_spots_of_one_particle_in_one_cell_are_one_contribution():
    rows = [(IN_HCAL, 0.1)] * 7 + [((0.0, 0.0, 0.0), 99.0)]
    hits, (_, hit_index, _, parts) = hits_of(spots_at(*rows))
    assert hits[5].tolist() == [HCAL]
    assert hit_index.tolist() == [0]
    assert parts == pytest.approx([0.7])


def test_a_table_that_is_too_small_returns_a_larger_count():
    places = [((1550.0, 0.0, 50.0 * i), 1.0) for i in range(9)]
    slots, used = empty_table(16)
    assert accumulate(slots, used, 0, spots_at(*places), 9, GRID, 0) > len(used)
    slots, used = empty_table(32)
    assert accumulate(slots, used, 0, spots_at(*places), 9, GRID, 0) == 9
