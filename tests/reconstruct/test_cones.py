"""Cone clustering: the result is that of comparing every hit with every other."""

import math

import numpy as np
import pytest

from partflow.core.known_detectors import CLIC
from partflow.reconstruct import BaselineConfig
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event_state import HIT, TRACK
from partflow.reconstruct.parameters import ConeConfig
from partflow.reconstruct.pseudolayers import calorimeters

CALO = calorimeters(CLIC)
CONSTANTS = BaselineConfig().kernel_constants()["cones"]
CONFIG = ConeConfig()


def jet(rng, num, num_tracks, spread=0.1):
    """Hits of all layers about one direction, and tracks among them."""
    layer = np.sort(rng.integers(0, 20, num))
    phi = rng.normal(0, spread, num)
    depth = np.where(layer < 10, 20.2 * (layer + 0.5), 240 + 106 * (layer - 9.5))
    hits = np.zeros(num, HIT)
    hits["x"], hits["y"] = (1500 + depth) * np.cos(phi), (1500 + depth) * np.sin(phi)
    hits["z"] = (1500 + depth) * rng.normal(0, spread, num)
    hits["layer"] = layer
    hits["energy_em"] = rng.exponential(0.05, num)
    hits = hits[np.lexsort((-hits["energy_em"], hits["layer"]))]
    tracks = np.zeros(num_tracks, TRACK)
    phi = rng.normal(0, spread, num_tracks)
    tracks["x"], tracks["y"] = 1500 * np.cos(phi), 1500 * np.sin(phi)
    tracks["dx"], tracks["dy"] = np.cos(phi + 0.3), np.sin(phi + 0.3)
    tracks["reaches_calorimeter"] = np.arange(num_tracks) != 1
    return hits, tracks


class Cluster:
    """A growing cluster of the calculation that compares every hit with every other."""

    def __init__(self, start, axis):
        self.start, self.axis, self.direction, self.last_layer = start, axis, axis, -1

    def turn(self, position, energy, layer):
        centroid = np.average(position, axis=0, weights=energy)
        direction = centroid - self.start + CONFIG.direction_inertia * self.axis
        self.direction, self.last_layer = direction / np.linalg.norm(direction), layer


def cones_by_definition(hits, tracks, narrowing):
    position = np.stack([hits["x"], hits["y"], hits["z"]], axis=1)
    clusters = [
        Cluster(np.array([t["x"], t["y"], t["z"]]), np.array([t["dx"], t["dy"], t["dz"]]))
        for t in tracks
    ]
    label = np.full(len(hits), -1)
    for layer in np.unique(hits["layer"]):
        inside = np.flatnonzero(hits["layer"] == layer)
        before = np.flatnonzero(
            (hits["layer"] < layer) & (hits["layer"] >= layer - CONFIG.layers_back)
        )
        is_ecal = layer < CALO.num_ecal_groups
        cell = CALO.ecal_cell_size if is_ecal else CALO.hcal_cell_size
        tangent = narrowing * (CONFIG.tangent_ecal if is_ecal else CONFIG.tangent_hcal)
        pad = narrowing * cell * (CONFIG.pad_ecal if is_ecal else CONFIG.pad_hcal)
        same = narrowing * cell * (CONFIG.same_layer_ecal if is_ecal else CONFIG.same_layer_hcal)
        for i in inside:
            options = [(1.0, -1)]
            for j in before:
                difference = position[i] - position[j]
                d_par = difference @ clusters[label[j]].direction
                if d_par >= 0 and difference @ difference <= CONFIG.max_distance**2:
                    d_perp = math.sqrt(max(difference @ difference - d_par**2, 0))
                    options.append((d_perp / (tangent * d_par + pad), label[j]))
            for c, track in enumerate(tracks):
                difference = position[i] - clusters[c].start
                d_par = difference @ clusters[c].axis
                last = CONFIG.track_front_layer
                if clusters[c].last_layer < 0:
                    last = CONFIG.track_last_layer
                is_competing = track["reaches_calorimeter"] and layer <= last
                if is_competing and d_par >= -CONFIG.track_backwards:
                    d_perp = math.sqrt(max(difference @ difference - d_par**2, 0))
                    width = CONFIG.track_tangent * d_par + CONFIG.track_pad * cell
                    options.append((d_perp / width, c))
            label[i] = min(options, key=lambda option: option[0])[1]
            if label[i] < 0:
                neighbours = [
                    (np.linalg.norm(position[i] - position[j]), label[j])
                    for j in inside[inside < i]
                    if np.linalg.norm(position[i] - position[j]) < same
                ]
                if neighbours:
                    label[i] = min(neighbours, key=lambda neighbour: neighbour[0])[1]
                else:
                    label[i] = len(clusters)
                    clusters.append(Cluster(position[i], position[i] / np.linalg.norm(position[i])))
        for c in np.unique(label[inside]):
            members = inside[label[inside] == c]
            clusters[c].turn(position[members], hits["energy_em"][members], layer)
    return label, len(clusters)


@pytest.mark.parametrize("narrowing", [1.0, 0.4])
def test_cones_agree_with_their_definition(narrowing):
    rng = np.random.default_rng(6)
    for spread in (0.03, 0.1, 0.5):
        hits, tracks = jet(rng, 250, 6, spread)
        cluster, count = grow_cones(hits, tracks, np.arange(6), narrowing, CONSTANTS, CALO)
        expected, expected_count = cones_by_definition(hits, tracks, narrowing)
        assert np.array_equal(cluster, expected)
        assert count == expected_count


def test_only_the_seed_tracks_collect_hits():
    hits, tracks = jet(np.random.default_rng(7), 100, 3)
    cluster, _ = grow_cones(hits, tracks, np.array([2]), 1.0, CONSTANTS, CALO)
    alone, _ = grow_cones(hits, tracks[2:], np.array([0]), 1.0, CONSTANTS, CALO)
    assert np.array_equal(cluster, alone)


def test_without_hits_the_clusters_of_the_seeds_remain():
    cluster, count = grow_cones(
        np.zeros(0, HIT), np.zeros(2, TRACK), np.arange(2), 1.0, CONSTANTS, CALO
    )
    assert (len(cluster), count) == (0, 2)
