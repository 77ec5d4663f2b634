"""Every point of the calorimeter belongs to one cell, and the cell is where the point is."""

from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLD, CLIC
from partflow.simulate.cells import NO_CELL, azimuth, cell_centre, cell_grid, cell_key

SMALL = replace(
    CLIC,
    name="small",
    ecal=replace(CLIC.ecal, inner_radius=700.0, endcap_z=1000.0, endcap_outer_radius=910.0),
    hcal=replace(
        CLIC.hcal,
        inner_radius=925.0,
        depth=800.0,
        endcap_z=1225.0,
        num_groups=8,
        endcap_outer_radius=1730.0,
    ),
    endcap_inner_radius=150.0,
    endcap_material_inner_radius=140.0,
    ring_z=1100.0,
    tracker=replace(
        CLIC.tracker,
        layer_radii=(20.0, 60.0, 120.0, 300.0, 500.0, 680.0),
        layer_half_lengths=(700.0,) * 6,
        disc_z=(750.0, 900.0),
        disc_inner_radii=(100.0, 120.0),
        disc_outer_radii=(600.0, 600.0),
    ),
)
"""An invented detector: all sizes differ from those of the known ones."""
DETECTORS = [CLIC, CLD, SMALL]


@njit
def keys_of(grid, points):
    keys = np.empty(len(points), dtype=np.int64)
    for i in range(len(points)):
        keys[i] = cell_key(grid, points[i, 0], points[i, 1], points[i, 2])
    return keys


@njit
def centres_of(grid, keys):
    """x, y, z, subdetector, region, layer of each key."""
    centres = np.empty((len(keys), 6))
    for i in range(len(keys)):
        x, y, z, subdetector, region, layer = cell_centre(grid, keys[i])
        centres[i, 0], centres[i, 1], centres[i, 2] = x, y, z
        centres[i, 3], centres[i, 4], centres[i, 5] = subdetector, region, layer
    return centres


@njit
def azimuths_of(points):
    phi = np.empty(len(points))
    for i in range(len(points)):
        phi[i] = azimuth(points[i, 1], points[i, 0])
    return phi


def points_in(detector, num=40_000):
    """Random points in a box around the calorimeters."""
    outer = detector.hcal.endcap_outer_radius
    end = detector.ecal.endcap_z + detector.ecal.depth + detector.gap + detector.hcal.depth
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, (num, 3)) * np.array([outer, outer, end])


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_a_point_is_within_its_cell(detector):
    grid = cell_grid(detector)
    points = points_in(detector)
    keys = keys_of(grid, points)
    read_out = keys != NO_CELL
    assert read_out.mean() > 0.3
    points, centres = points[read_out], centres_of(grid, keys[read_out])
    subdetector, region = centres[:, 3], centres[:, 4]
    cell = np.where(subdetector == ECAL, detector.ecal.cell_size, detector.hcal.cell_size)
    group = np.where(
        subdetector == ECAL, detector.ecal.group_thickness, detector.hcal.group_thickness
    )
    radius, centre_radius = np.hypot(*points[:, :2].T), np.hypot(*centres[:, :2].T)

    barrel = region == BARREL
    turn = np.angle(
        np.exp(1j * (np.arctan2(*points[:, 1::-1].T) - np.arctan2(*centres[:, 1::-1].T)))
    )
    # the number of cells around a layer is whole: they are a little larger than their nominal size
    assert (np.abs(turn * centre_radius)[barrel] <= 0.505 * cell[barrel]).all()
    assert (np.abs(points[barrel, 2] - centres[barrel, 2]) <= 0.5001 * cell[barrel]).all()
    across = np.abs(points[~barrel, :2] - centres[~barrel, :2])
    assert (across <= 0.5001 * cell[~barrel, None]).all()
    # a point in the gaps belongs to the nearest layer
    depth = np.where(barrel, radius - centre_radius, np.abs(points[:, 2]) - np.abs(centres[:, 2]))
    slack = detector.gap / 2 + grid.front_tolerance
    assert (np.abs(depth) <= group / 2 + slack).all()
    in_layer = np.abs(depth) <= group / 2 + 1e-6
    assert in_layer.mean() > 0.9


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_the_centre_of_a_cell_is_in_that_cell(detector):
    grid = cell_grid(detector)
    keys = np.unique(keys_of(grid, points_in(detector)))
    keys = keys[keys != NO_CELL]
    centres = centres_of(grid, keys)
    radius = np.hypot(*centres[:, :2].T)
    is_cut = (centres[:, 4] == ENDCAP) & (
        (radius < grid.endcap_inner_r)
        | (radius > grid.endcap_outer_r)
        | (np.abs(radius - grid.ring_r) < detector.hcal.cell_size)
    )  # the edge of a calorimeter crosses the cell: its centre may be on the other side
    is_cut |= np.abs(np.abs(centres[:, 2]) - grid.endcap_z) < detector.hcal.cell_size
    assert (keys_of(grid, centres[~is_cut, :3].copy()) == keys[~is_cut]).all()
    assert is_cut.mean() < 0.2


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_layers_count_outwards_from_zero(detector):
    grid = cell_grid(detector)
    keys = keys_of(grid, points_in(detector))
    _, _, z, subdetector, region, layer = centres_of(grid, keys[keys != NO_CELL]).T
    for part, num in ((ECAL, detector.ecal.num_groups), (HCAL, detector.hcal.num_groups)):
        for where, extra in ((BARREL, 0), (ENDCAP, grid.ring_groups if part == HCAL else 0)):
            found = np.unique(layer[(subdetector == part) & (region == where)])
            assert found.tolist() == list(range(num + extra))
    # in the endcaps a layer is a plane
    endcap = (region == ENDCAP) & (subdetector == HCAL)
    for number in np.unique(layer[endcap]):
        assert np.ptp(np.abs(z[endcap & (layer == number)])) < 1e-9


def test_there_are_no_cells_in_the_tracker_and_outside_the_detector():
    grid = cell_grid(CLIC)
    points = np.array(
        [[0, 0, 0], [1400, 0, 0], [0, 100, 2400], [4000, 0, 0], [0, 3500, 3000], [900, 0, 5000]]
    )
    assert (keys_of(grid, points.astype(float)) == NO_CELL).all()


def test_deposits_in_the_gap_go_to_the_nearer_calorimeter():
    grid = cell_grid(CLIC)
    front, back = CLIC.ecal.inner_radius + CLIC.ecal.depth, CLIC.hcal.inner_radius
    points = np.array([[front + 1, 0.0, 0.0], [back - 1, 0.0, 0.0]])
    centres = centres_of(grid, keys_of(grid, points))
    assert centres[:, 3].tolist() == [ECAL, HCAL]
    assert centres[:, 5].tolist() == [CLIC.ecal.num_groups - 1, 0]


def test_the_azimuth_agrees_with_atan2():
    points = np.random.default_rng(4).normal(size=(10_000, 2))
    points[:8] = [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [0, 0]]
    expected = np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi)
    np.testing.assert_allclose(azimuths_of(points), expected, atol=3e-8)


def test_cells_too_small_to_be_numbered_are_refused():
    tiny = replace(CLIC, ecal=replace(CLIC.ecal, cell_size=0.1))
    with pytest.raises(ConfigError, match="larger cells"):
        cell_grid(tiny)
