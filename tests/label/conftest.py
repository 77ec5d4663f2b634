"""Small events, given by their particles, tracks and deposits."""

from typing import NamedTuple

import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits
from partflow.core.hadron_scale import bin_sums
from partflow.core.particles import charges, masses
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import (
    CLUSTERS,
    CONTRIBUTIONS,
    HIT_CLUSTERS,
    HIT_SPECTRUM,
    HITS,
    PARTICLES,
    TRACK_PARTICLES,
    TRACKS,
)


class EventTruth(NamedTuple):
    particles: Collection
    tracks: Collection
    hits: Collection
    clusters: Collection
    hit_clusters: Collection
    contributions: Collection
    track_particles: Collection

    @property
    def deposits(self):
        return resolve_deposits(
            self.particles, self.clusters, self.hit_clusters, self.contributions
        )

    def for_label(self):
        return self._arguments("particles", "tracks", "track_particles", "clusters", "deposits")

    def for_label_with_hits(self):
        return {**self.for_label(), "hits": self.hits}

    def for_perfect(self):
        return self._arguments("particles", "tracks", "track_particles", "hits", "deposits")

    def _arguments(self, *names):
        return {name: getattr(self, name) for name in names}


def _filled(schema, number, **columns):
    return Collection(
        schema,
        np.array([0, number]),
        {f.name: np.full(number, columns.get(f.name, 0)) for f in schema.fields},
    )


def make_event(particles, tracks=(), deposits=(), num_clusters=0):
    """`particles` (pdg_id, px, py, pz), `tracks` (particle, is_primary, part of its momentum = 1,
    place at the calorimeter's face = none), `deposits` (particle, cluster, energy, x, y, z), each
    of which is a hit of its own in the ECAL. A track's line points away from the origin.
    """
    pdg_id = np.array([p[0] for p in particles], dtype=int)
    momentum = np.array([p[1:] for p in particles], dtype=float).reshape(-1, 3)
    mass = masses(pdg_id) if len(pdg_id) else np.zeros(0)
    charge = charges(pdg_id) if len(pdg_id) else np.zeros(0)
    made_by = np.array([t[0] for t in tracks], dtype=int)
    part = np.array([t[2] if len(t) > 2 else 1.0 for t in tracks], dtype=float)
    track_momentum = momentum[made_by] * part[:, None]
    reaches = np.array([len(t) > 3 and t[3] is not None for t in tracks], dtype=bool)
    face = np.zeros((len(made_by), 3))
    face[reaches] = np.array([t[3] for t in tracks if len(t) > 3 and t[3] is not None]).reshape(
        -1, 3
    )
    line = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-9)
    track_pt = np.hypot(track_momentum[:, 0], track_momentum[:, 1])
    rows = np.array(deposits, dtype=float).reshape(-1, 6)
    particle, cluster = rows[:, 0].astype(int), rows[:, 1].astype(int)
    energy, position = rows[:, 2], rows[:, 3:]
    is_clustered = cluster >= 0
    clustered = cluster[is_clustered]
    cluster_energy = np.bincount(clustered, energy[is_clustered], num_clusters)
    centroid = [
        np.bincount(clustered, (energy * x)[is_clustered], num_clusters) / cluster_energy
        for x in position.T
    ]
    spectrum = bin_sums(energy, np.zeros(len(rows)), cluster, num_clusters)
    number = len(rows)
    return EventTruth(
        _filled(
            PARTICLES,
            len(pdg_id),
            pdg_id=pdg_id,
            charge=charge,
            px=momentum[:, 0],
            py=momentum[:, 1],
            pz=momentum[:, 2],
            energy=np.sqrt((momentum**2).sum(axis=1) + mass**2),
            mass=mass,
        ),
        _filled(
            TRACKS,
            len(made_by),
            charge=np.where(charge[made_by] != 0, charge[made_by], 1),
            pt=track_pt,
            phi=np.arctan2(track_momentum[:, 1], track_momentum[:, 0]),
            tan_lambda=track_momentum[:, 2] / track_pt,
            face_region=reaches,
            **{f"face_{axis}": face[:, i] for i, axis in enumerate("xyz")},
            **{f"face_d{axis}": line[:, i] for i, axis in enumerate("xyz")},
        ),
        _filled(
            HITS, number, x=position[:, 0], y=position[:, 1], z=position[:, 2], energy_em=energy
        ),
        _filled(
            CLUSTERS,
            num_clusters,
            energy_em=cluster_energy,
            theta=1.0,
            **dict(zip(HIT_SPECTRUM, spectrum.T, strict=True)),
            **dict(zip("xyz", centroid, strict=True)),
        ),
        _filled(HIT_CLUSTERS, number, cluster_index=cluster),
        _filled(
            CONTRIBUTIONS,
            number,
            hit_index=np.arange(number),
            particle_index=particle,
            energy_em=energy,
        ),
        _filled(
            TRACK_PARTICLES,
            len(made_by),
            particle_index=made_by,
            is_primary=np.array([t[1] for t in tracks], dtype=int),
        ),
    )


@pytest.fixture(scope="session")
def event():
    return make_event


@pytest.fixture(scope="session")
def join():
    """Several events as one chunk."""
    return lambda *events: EventTruth(*(concatenate(parts) for parts in zip(*events, strict=True)))


@pytest.fixture(scope="session")
def random_event():
    """An event drawn from `rng`: sizes, links and overlaps of every kind, also none."""

    def draw(rng):
        num_particles, num_clusters = rng.integers(0, 12), rng.integers(0, 6)
        pdg_id = rng.choice([211, -211, 130, 22, 11, -13, 2112, 12], num_particles)
        momentum = rng.normal(0, 10, (num_particles, 3))
        charged = np.flatnonzero(np.isin(np.abs(pdg_id), (211, 11, 13)))
        tracks = [(i, True) for i in charged if rng.random() < 0.6]
        depositing = np.flatnonzero(np.abs(pdg_id) != 12)
        num_deposits = rng.integers(0, 25) if len(depositing) and num_clusters else 0
        deposits = [
            (
                rng.choice(depositing),
                rng.integers(-1, num_clusters),
                rng.exponential(2.0),
                *rng.normal(0, 1500, 3),
            )
            for _ in range(num_deposits)
        ]
        # A cluster is never without a hit.
        used = sorted({d[1] for d in deposits if d[1] >= 0})
        number = {old: new for new, old in enumerate(used)} | {-1: -1}
        deposits = [(d[0], number[d[1]], *d[2:]) for d in deposits]
        secondary = rng.integers(0, len(depositing), rng.integers(0, 5)) if len(depositing) else []
        for i in depositing[secondary]:
            place = deposits[rng.integers(len(deposits))][3:] if deposits else None
            place = None if rng.random() < 0.3 else place
            tracks.append((i, False, rng.uniform(0.05, 1.02), place))
        return make_event(
            [(int(i), *p) for i, p in zip(pdg_id, momentum, strict=True)],
            tracks,
            deposits,
            len(used),
        )

    return draw
