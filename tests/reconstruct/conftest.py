"""Toy showers and tracks: the hits of a particle on a regular pattern, without fluctuations."""

import math

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL
from partflow.core.hadron_scale import bin_sums, load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, concatenate, offsets_from_counts
from partflow.core.schemas import HITS, TRACKS
from partflow.reconstruct.event_state import HIT

MIP = (CLIC.ecal.layers_per_group * CLIC.ecal.mip_energy,
       CLIC.hcal.layers_per_group * CLIC.hcal.mip_energy)  # fmt: skip
LATERAL = {(0, 0): 0.6, (0, 1): 0.08, (1, 0): 0.08, (0, -1): 0.08, (-1, 0): 0.08,
           (1, 1): 0.02, (1, -1): 0.02, (-1, 1): 0.02, (-1, -1): 0.02}  # fmt: skip


def filled(schema, num_events=1, counts=None, **columns):
    """A collection with the given columns and zeros in all others."""
    length = len(next(iter(columns.values()))) if columns else 0
    zeros = {field.name: np.zeros(length, field.dtype) for field in schema.fields}
    counts = [length] + [0] * (num_events - 1) if counts is None else counts
    return Collection(schema, offsets_from_counts(np.array(counts)), zeros | columns)


def direction(theta, phi):
    return np.array(
        [math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)]
    )


def across(theta, phi):
    """Unit vectors along the cells of a barrel layer: azimuth, then z."""
    return np.array([-math.sin(phi), math.cos(phi), 0.0]), np.array([0.0, 0.0, 1.0])


def layer_point(subdetector, layer, theta, phi):
    """Where a straight line from the origin crosses the middle of a barrel layer group [mm]."""
    part = CLIC.ecal if subdetector == ECAL else CLIC.hcal
    radius = part.inner_radius + (layer + 0.5) * part.group_thickness
    return radius / math.sin(theta) * direction(theta, phi)


def hits_of(rows):
    """Hits of one event from rows (position, energy, subdetector)."""
    position = np.array([row[0] for row in rows]).reshape(-1, 3)
    return filled(
        HITS,
        x=position[:, 0],
        y=position[:, 1],
        z=position[:, 2],
        energy_em=np.array([row[1] for row in rows], float),
        subdetector=np.array([row[2] for row in rows], int),
    )


def photon_rows(energy, theta=1.4, phi=0.5, along=None):
    """A shower of nine cells in each ECAL group with the longitudinal profile of `energy` [GeV]."""
    depth = (np.arange(CLIC.ecal.num_groups) + 0.5) * CLIC.ecal.group_thickness
    depth /= CLIC.ecal.radiation_length
    slope = 0.5
    shape = slope * (math.log(energy / CLIC.ecal.critical_energy) + 0.5)
    profile = depth**shape * np.exp(-slope * depth)
    in_phi, in_z = across(theta, phi)
    rows = []
    for layer, part in enumerate(profile / profile.sum()):
        centre = layer_point(ECAL, layer, theta, phi)
        for (i, j), share in LATERAL.items():
            position = centre + CLIC.ecal.cell_size * (i * in_phi + j * in_z)
            if energy * part * share > CLIC.ecal.threshold:
                rows.append((position, energy * part * share, ECAL))
    visible = sum(row[1] for row in rows)
    return [(position, value * energy / visible, part) for position, value, part in rows]


def hadron_rows(theta=1.4, phi=0.5, first_layer=3, shower=1.0):
    """A minimum ionising particle that showers in the HCAL from `first_layer` on."""
    rows = [
        (layer_point(ECAL, layer, theta, phi), MIP[0], ECAL)
        for layer in range(CLIC.ecal.num_groups)
    ]
    rows += [(layer_point(HCAL, layer, theta, phi), MIP[1], HCAL) for layer in range(first_layer)]
    in_phi, in_z = across(theta, phi)
    for layer in range(first_layer, first_layer + 4):
        centre = layer_point(HCAL, layer, theta, phi)
        for (i, j), share in LATERAL.items():
            position = centre + CLIC.hcal.cell_size * (i * in_phi + j * in_z)
            rows.append((position, shower * share, HCAL))
    return rows


def hadronic_energy_of(rows):
    """Energy of all hits together on the hadronic scale [GeV]."""
    hits = hits_of(rows)
    sums = bin_sums(hits.energy_em, hits.subdetector, np.zeros(len(hits), int), 1)
    return float(load_hadron_scale(CLIC).energy(sums)[0])


def tracks_of(rows):
    """Straight tracks of one event from rows (momentum, theta, phi) or with further columns."""
    columns = {name: [] for name in TRACKS.names}
    for momentum, theta, phi, *more in rows:
        face = CLIC.ecal.inner_radius / math.sin(theta) * direction(theta, phi)
        values = dict.fromkeys(TRACKS.names, 0.0) | {
            "charge": 1,
            "pt": momentum * math.sin(theta),
            "phi": phi,
            "tan_lambda": 1 / math.tan(theta),
            "face_region": 1,
        }
        values |= {f"face_{axis}": face[k] for k, axis in enumerate("xyz")}
        values |= {f"face_d{axis}": direction(theta, phi)[k] for k, axis in enumerate("xyz")}
        values |= more[0] if more else {}
        for name, column in columns.items():
            column.append(values[name])
    return filled(TRACKS, **{name: np.array(values) for name, values in columns.items()})


def random_hits(rng, num, theta=(0.15, math.pi - 0.15), phi=(-math.pi, math.pi)):
    """ECAL hits, [hit] of HIT, anywhere in a range of directions, not sorted."""
    hits = np.zeros(num, HIT)
    hits["theta"], hits["phi"] = rng.uniform(*theta, num), rng.uniform(*phi, num)
    radius = rng.uniform(1500, 2900, num)
    hits["x"] = radius * np.sin(hits["theta"]) * np.cos(hits["phi"])
    hits["y"] = radius * np.sin(hits["theta"]) * np.sin(hits["phi"])
    hits["z"] = radius * np.cos(hits["theta"])
    hits["energy_em"] = rng.exponential(0.05, num) + 0.003
    return hits


class Toy:
    """The functions of this file, as one fixture."""

    filled = staticmethod(filled)
    hits = staticmethod(hits_of)
    tracks = staticmethod(tracks_of)
    photon = staticmethod(photon_rows)
    hadron = staticmethod(hadron_rows)
    hadronic_energy = staticmethod(hadronic_energy_of)
    layer_point = staticmethod(layer_point)
    random_hits = staticmethod(random_hits)

    @staticmethod
    def busy_event(seed=0, num_photons=12, num_hadrons=8):
        """Hits and tracks of photons and charged hadrons in all directions of the barrel."""
        rng = np.random.default_rng(seed)
        rows, tracks = [], []
        for _ in range(num_photons):
            rows += photon_rows(
                float(rng.uniform(0.5, 20)), rng.uniform(0.9, 2.2), rng.uniform(-3, 3)
            )
        for _ in range(num_hadrons):
            theta, phi = rng.uniform(0.9, 2.2), rng.uniform(-3, 3)
            hadron = hadron_rows(theta, phi, int(rng.integers(0, 8)), float(rng.uniform(0.2, 4)))
            rows += hadron
            tracks.append((hadronic_energy_of(hadron) * float(rng.uniform(0.5, 1.5)), theta, phi))
        return hits_of(rows), tracks_of(tracks)

    @classmethod
    def busy_events(cls, seeds):
        """Hits and tracks of a busy event for each seed."""
        hits, tracks = zip(*(cls.busy_event(seed) for seed in seeds), strict=True)
        return concatenate(hits), concatenate(tracks)


@pytest.fixture(scope="session")
def toy():
    return Toy
