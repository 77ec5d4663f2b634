"""Density peaks: the grid finds all neighbours, and peaks agree with their definition."""

import math

import numpy as np
import pytest

from partflow.core.detector import ECAL
from partflow.core.known_detectors import CLIC
from partflow.reconstruct import BaselineConfig
from partflow.reconstruct.event_state import HIT, TRACK
from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_delta_phi_of_rows,
    max_ranges,
    ranges_around,
    row_of,
)
from partflow.reconstruct.parameters import PeakConfig
from partflow.reconstruct.peaks import find_peaks
from partflow.reconstruct.photons import PeakKind, identify_peaks, measure_peaks
from partflow.reconstruct.pseudolayers import calorimeters

CONFIG = PeakConfig()
PEAK_CONSTANTS = BaselineConfig().kernel_constants()["peaks"]
PHOTON_CONSTANTS = BaselineConfig().kernel_constants()["photons"]
REGIONS = {
    "everywhere": ((0.02, math.pi - 0.02), (-math.pi, math.pi)),
    "at the seam of the azimuth": ((1.3, 1.5), (3.0, 3.3)),
    "about the pole": ((0.0, 0.3), (-math.pi, math.pi)),
}


def wrapped(hits):
    """The hits with azimuths in [-pi, pi]."""
    hits["phi"] = np.arctan2(hits["y"], hits["x"])
    return hits


def directions(hits):
    """Unit vectors from the origin, and radii."""
    position = np.stack([hits["x"], hits["y"], hits["z"]], axis=1)
    radius = np.linalg.norm(position, axis=1)
    return position / radius[:, None], radius


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("angle", [0.02, 0.3])
def test_the_grid_finds_every_neighbour(toy, region, angle):
    hits = wrapped(toy.random_hits(np.random.default_rng(4), 400, *REGIONS[region]))
    grid = angular_grid(hits, 0.7 * angle)
    delta_phi = max_delta_phi_of_rows(grid, angle)
    ranges = np.empty((max_ranges(grid, angle), 3), np.int64)
    cosine = np.clip(directions(hits)[0] @ directions(hits)[0].T, -1, 1)
    for a, i in enumerate(grid.member):
        row = row_of(hits["theta"][i], grid.height, len(delta_phi))
        num_ranges = ranges_around(grid, row, grid.cell[a], angle, delta_phi, ranges)
        neighbours = []
        for begin, end, other_row in ranges[:num_ranges]:
            neighbours += grid.member[begin:end].tolist()
            nearest = np.arccos(cosine[i, grid.member[begin:end]]).min()
            assert angle_to_row(grid, other_row, hits["theta"][i]) <= nearest + 1e-7
        assert len(neighbours) == len(set(neighbours))
        assert set(np.flatnonzero(cosine[i] > math.cos(angle)).tolist()) <= set(neighbours)


def peaks_by_definition(hits):
    """Peak of each hit from the definition, by comparing all pairs of hits."""
    direction, radius = directions(hits)
    distance = np.linalg.norm(direction[:, None] - direction[None], axis=2)
    distance *= np.minimum(radius[:, None], radius[None])
    weight = np.clip(1 - (distance / CONFIG.density_radius) ** 2, 0, None)
    density = weight @ hits["energy_em"]
    is_denser = density[None] > density[:, None]
    to_denser = np.where(is_denser & (distance < CONFIG.follow_distance), distance, np.inf)
    leader, nearest = to_denser.argmin(axis=1), to_denser.min(axis=1)
    is_seed = (nearest > CONFIG.seed_distance) & (density > CONFIG.min_density)
    peak = np.full(len(hits), -1)
    for i in np.argsort(-density):
        if is_seed[i]:
            peak[i] = i
        elif np.isfinite(nearest[i]):
            peak[i] = peak[leader[i]]
    return peak


@pytest.mark.parametrize("region", REGIONS)
def test_peaks_agree_with_their_definition(toy, region):
    hits = wrapped(toy.random_hits(np.random.default_rng(5), 1500, *REGIONS[region]))
    peak, num_peaks = find_peaks(hits, PEAK_CONSTANTS)
    expected = peaks_by_definition(hits)
    assert num_peaks == len(set(expected[expected >= 0].tolist())) > 5
    assert np.array_equal(peak < 0, expected < 0)
    pairs = set(zip(peak.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(peak.tolist())) == len(set(expected.tolist()))


@pytest.mark.parametrize(("phi", "kind"), [(0.5, PeakKind.OTHER), (0.5 - math.pi, PeakKind.PHOTON)])
def test_a_peak_on_the_line_of_a_track_is_a_photon_only_across_the_detector(toy, phi, kind):
    theta = 1.4 if phi > 0 else math.pi - 1.4
    rows = toy.photon(5.0, theta, phi)
    hits = np.zeros(len(rows), HIT)
    hits["x"], hits["y"], hits["z"] = np.array([row[0] for row in rows]).T
    hits["energy_em"] = [row[1] for row in rows]
    depth = np.hypot(hits["x"], hits["y"]) - CLIC.ecal.inner_radius
    hits["layer"] = depth // CLIC.ecal.group_thickness
    peaks = measure_peaks(hits, np.zeros(len(hits), np.int64), 1, PHOTON_CONSTANTS)
    track = np.zeros(1, TRACK)  # of 40 GeV, so that the peak is no electron
    track["dx"], track["dy"], track["dz"] = toy.layer_point(ECAL, 0, 1.4, 0.5)
    length = math.sqrt(track["dx"][0] ** 2 + track["dy"][0] ** 2 + track["dz"][0] ** 2)
    for axis in "xyz":
        track[f"d{axis}"] /= length
        track[axis] = track[f"d{axis}"] * CLIC.ecal.inner_radius / math.sin(1.4)
    track["momentum"], track["reaches_calorimeter"] = 40.0, True
    result, _ = identify_peaks(peaks, track, PHOTON_CONSTANTS, calorimeters(CLIC))
    assert result.tolist() == [kind]


def test_without_hits_there_is_no_peak(toy):
    peak, num_peaks = find_peaks(toy.random_hits(np.random.default_rng(0), 0), PEAK_CONSTANTS)
    assert (len(peak), num_peaks) == (0, 0)
