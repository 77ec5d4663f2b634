"""Cones: the boxes and spheres that spare comparisons do not change the result."""

import math

import numpy as np
import pytest

from partflow.core.known_detectors import CLIC
from partflow.reconstruct import BaselineConfig
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event import HIT, TRACK
from partflow.reconstruct.parameters import ConeConfig
from partflow.reconstruct.pseudolayers import calorimeters

CALO = calorimeters(CLIC)
PARAMETERS = BaselineConfig().record()["cones"]
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
    hits["energy"] = rng.exponential(0.05, num)
    hits = hits[np.lexsort((-hits["energy"], hits["layer"]))]
    tracks = np.zeros(num_tracks, TRACK)
    phi = rng.normal(0, spread, num_tracks)
    tracks["x"], tracks["y"] = 1500 * np.cos(phi), 1500 * np.sin(phi)
    tracks["dx"], tracks["dy"] = np.cos(phi + 0.3), np.sin(phi + 0.3)
    tracks["reaches"] = np.arange(num_tracks) != 1
    return hits, tracks


class Growing:
    """A cluster of the slow calculation: every hit is compared with every other."""

    def __init__(self, place, axis):
        self.start, self.axis, self.direction, self.last = place, axis, axis, -1

    def turn(self, place, energy, layer):
        centroid = np.average(place, axis=0, weights=energy)
        way = centroid - self.start + CONFIG.direction_inertia * self.axis
        self.direction, self.last = way / np.linalg.norm(way), layer


def cones_by_definition(hits, tracks, scale):
    place = np.stack([hits["x"], hits["y"], hits["z"]], axis=1)
    clusters = [
        Growing(np.array([t["x"], t["y"], t["z"]]), np.array([t["dx"], t["dy"], t["dz"]]))
        for t in tracks
    ]
    label = np.full(len(hits), -1)
    for layer in np.unique(hits["layer"]):
        own = np.flatnonzero(hits["layer"] == layer)
        before = np.flatnonzero(
            (hits["layer"] < layer) & (hits["layer"] >= layer - CONFIG.layers_back)
        )
        ecal = layer < CALO.ecal_groups
        cell = CALO.ecal_cell if ecal else CALO.hcal_cell
        tangent = scale * (CONFIG.tangent_ecal if ecal else CONFIG.tangent_hcal)
        pad = scale * cell * (CONFIG.pad_ecal if ecal else CONFIG.pad_hcal)
        same = scale * cell * (CONFIG.same_layer_ecal if ecal else CONFIG.same_layer_hcal)
        for i in own:
            options = [(1.0, -1)]
            for j in before:
                way = place[i] - place[j]
                along = way @ clusters[label[j]].direction
                if along >= 0 and way @ way <= CONFIG.max_distance**2:
                    aside = math.sqrt(max(way @ way - along**2, 0))
                    options.append((aside / (tangent * along + pad), label[j]))
            for c, track in enumerate(tracks):
                way = place[i] - clusters[c].start
                along = way @ clusters[c].axis
                last = CONFIG.track_front_layer
                if clusters[c].last < 0:
                    last = CONFIG.track_last_layer
                if track["reaches"] and layer <= last and along >= -CONFIG.track_backwards:
                    aside = math.sqrt(max(way @ way - along**2, 0))
                    width = CONFIG.track_tangent * along + CONFIG.track_pad * cell
                    options.append((aside / width, c))
            label[i] = min(options, key=lambda option: option[0])[1]
            if label[i] < 0:
                near = [
                    (np.linalg.norm(place[i] - place[j]), label[j])
                    for j in own[own < i]
                    if np.linalg.norm(place[i] - place[j]) < same
                ]
                if near:
                    label[i] = min(near, key=lambda option: option[0])[1]
                else:
                    label[i] = len(clusters)
                    clusters.append(Growing(place[i], place[i] / np.linalg.norm(place[i])))
        for c in np.unique(label[own]):
            mine = own[label[own] == c]
            clusters[c].turn(place[mine], hits["energy"][mine], layer)
    return label, len(clusters)


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_cones_are_those_of_the_definition(scale):
    rng = np.random.default_rng(6)
    for spread in (0.03, 0.1, 0.5):
        hits, tracks = jet(rng, 250, 6, spread)
        cluster, count = grow_cones(hits, tracks, np.arange(6), scale, PARAMETERS, CALO)
        expected, expected_count = cones_by_definition(hits, tracks, scale)
        assert np.array_equal(cluster, expected)
        assert count == expected_count


def test_only_the_seeds_collect():
    hits, tracks = jet(np.random.default_rng(7), 100, 3)
    cluster, _ = grow_cones(hits, tracks, np.array([2]), 1.0, PARAMETERS, CALO)
    alone, _ = grow_cones(hits, tracks[2:], np.array([0]), 1.0, PARAMETERS, CALO)
    assert np.array_equal(cluster, alone)


def test_without_hits_the_seeds_remain():
    cluster, count = grow_cones(
        np.zeros(0, HIT), np.zeros(2, TRACK), np.arange(2), 1.0, PARAMETERS, CALO
    )
    assert (len(cluster), count) == (0, 2)
