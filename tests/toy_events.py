"""Toy events for tests of the metrics: particles, their tracks and clusters, candidate sets."""

from types import SimpleNamespace

import numpy as np
import pytest

from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import classes
from partflow.core.records import Collection, concatenate, offsets_from_counts
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    PARTICLES,
    TARGETS,
    TRACKS,
)

KINDS = {211: 1, -211: -1, 130: 0, 22: 0, 11: -1, -13: 1, 12: 0}  # pdg id -> charge


def filled(schema, offsets, **columns):
    """A collection in which columns that are not given hold zeros."""
    zeros = {field.name: np.zeros(offsets[-1]) for field in schema.fields}
    return Collection(schema, np.asarray(offsets), {**zeros, **columns})


def candidates_from(schema, events, **columns):
    """Candidates from flat columns in any order; `columns["event"]` is the event of each."""
    order = np.argsort(columns["event"], kind="stable")
    counts = np.bincount(columns.pop("event"), minlength=events)
    sorted_columns = {name: np.asarray(values)[order] for name, values in columns.items()}
    return filled(schema, offsets_from_counts(counts), **sorted_columns)


def spray(rng):
    """Momenta of the particles of one event: up to four jets of about ten, and a few soft ones."""
    parts = [rng.normal(0, 0.4, (rng.integers(0, 4), 3))]
    for _ in range(rng.integers(0, 5)):
        axis = rng.normal(0, 1, 3)
        axis /= np.linalg.norm(axis)
        number = rng.poisson(8)
        directions = axis + rng.normal(0, 0.12, (number, 3))
        parts.append(directions * rng.exponential(rng.uniform(2, 12), (number, 1)))
    return np.concatenate(parts)


def make_particles(num_events, rng):
    momenta = [spray(rng) for _ in range(num_events)]
    offsets = offsets_from_counts(np.array([len(m) for m in momenta], dtype=np.int64))
    momentum = np.concatenate([np.empty((0, 3)), *momenta])
    pdg_id = rng.choice(list(KINDS), len(momentum), p=[0.25, 0.25, 0.12, 0.3, 0.03, 0.03, 0.02])
    mass = np.where(np.isin(pdg_id, (22, 12)), 0.0, 0.14)
    return filled(
        PARTICLES, offsets, pdg_id=pdg_id, charge=np.array([KINDS[p] for p in pdg_id], dtype=int),
        px=momentum[:, 0], py=momentum[:, 1], pz=momentum[:, 2], mass=mass,
        energy=np.sqrt((momentum**2).sum(axis=1) + mass**2),
    )  # fmt: skip


def make_targets(particles, rng):
    """Tracks, clusters and targets: most particles make one, some clusters have no particle."""
    tracks, clusters, rows, is_track = [], [], [], []
    for event in range(particles.num_events):
        row = np.arange(*particles.offsets[event : event + 2])
        visible = row[(rng.random(len(row)) < 0.92) & (particles.pdg_id[row] != 12)]
        is_charged = particles.charge[visible] != 0
        charged = visible[is_charged]
        neutral = np.concatenate([visible[~is_charged], np.full(rng.poisson(3), -1)])
        tracks.append(len(charged))
        clusters.append(len(neutral))
        rows.append(np.concatenate([charged, neutral]))
        is_track.append(np.arange(len(rows[-1])) < len(charged))
    row = np.concatenate([np.empty(0, int), *rows]).astype(int)
    on_track = np.concatenate([np.empty(0, bool), *is_track])
    is_real = row >= 0
    target_class = np.zeros(len(row), dtype=int)
    target_class[is_real] = classes(particles.pdg_id[row[is_real]], particles.charge[row[is_real]])
    p = {n: np.where(is_real, particles.columns[n][row], 0.0) for n in ("px", "py", "pz", "energy")}
    pt = np.hypot(p["px"], p["py"])
    offsets = offsets_from_counts(np.add(tracks, clusters).astype(np.int64))
    targets = filled(
        TARGETS, offsets, pdg_id=target_class, pt=pt, energy=p["energy"], particle_index=row,
        eta=eta_from_momentum(p["px"], p["py"], p["pz"]),
        sin_phi=np.divide(p["py"], pt, out=np.zeros_like(pt), where=pt > 0),
        cos_phi=np.divide(p["px"], pt, out=np.ones_like(pt), where=pt > 0),
    )  # fmt: skip
    return (
        filled(TRACKS, offsets_from_counts(np.array(tracks, dtype=np.int64))),
        filled(CLUSTERS, offsets_from_counts(np.array(clusters, dtype=np.int64))),
        targets,
        on_track,
    )


def make_candidates(toy, rng, width, loss, confusion, fakes):
    """Targets measured with a resolution `width`; some lost, some of another class, some fakes."""
    targets = toy.targets
    is_target = targets.pdg_id > 0
    kept = np.where(is_target, rng.random(len(targets)) >= loss, rng.random(len(targets)) < fakes)
    row = np.flatnonzero(kept)
    event, index = targets.event_index[row], targets.index_in_event[row]
    num_tracks = toy.tracks.counts[event]
    on_track = toy.on_track[row]
    pdg_id = np.where(is_target[row], targets.pdg_id[row], np.where(on_track, 211, 22))
    is_confused = rng.random(len(row)) < confusion
    confused = np.where(pdg_id == 22, 130, np.where(pdg_id == 130, 22, 211))
    pdg_id = np.where(is_confused, confused, pdg_id)
    scale = 1 + width * rng.normal(0, 1, len(row)).clip(-2, 2)
    fake_pt, fake_eta = rng.exponential(1, len(row)) + 0.1, rng.normal(0, 1, len(row))
    pt = np.where(is_target[row], targets.pt[row] * scale, fake_pt)
    eta = np.where(is_target[row], targets.eta[row], fake_eta)
    momentum = pt * np.cosh(eta)
    energy = np.where(is_target[row], targets.energy[row] * scale, momentum)
    return candidates_from(
        CANDIDATES, targets.num_events, event=event, pdg_id=pdg_id, pt=pt, eta=eta,
        phi=np.arctan2(targets.sin_phi[row], targets.cos_phi[row]), energy=energy,
        track_index=np.where(on_track, index, -1),
        cluster_index=np.where(on_track, -1, index - num_tracks),
    )  # fmt: skip


def finer(toy):
    """The same targets for elements with one more cluster, the first one, without a particle."""
    parts, num_tracks = [], toy.tracks.counts
    for event in range(toy.targets.num_events):
        targets = toy.targets[event : event + 1]
        rows = np.insert(np.arange(len(targets)), num_tracks[event], -1)
        columns = {
            name: np.where(rows >= 0, np.append(values, 0)[rows], 0)
            for name, values in targets.columns.items()
        }
        parts.append(Collection(TARGETS, np.array([0, len(rows)]), columns))
    return concatenate(parts)


def make_toy(num_events, seed):
    """Toy events: all that `Evaluator.add` takes."""
    rng = np.random.default_rng(seed)
    toy = SimpleNamespace(particles=make_particles(num_events, rng))
    toy.tracks, toy.clusters, toy.targets, toy.on_track = make_targets(toy.particles, rng)
    toy.candidates = {
        "mlpf": make_candidates(toy, rng, width=0.10, loss=0.05, confusion=0.05, fakes=0.1),
        "baseline": make_candidates(toy, rng, width=0.15, loss=0.08, confusion=0.1, fakes=0.5),
        "perfect": make_candidates(toy, rng, width=0.05, loss=0.0, confusion=0.0, fakes=0.0),
        "target": make_candidates(toy, rng, width=0.0, loss=0.0, confusion=0.0, fakes=0.0),
    }
    toy.process = np.array(["ttbar", "ww"], dtype=object)[rng.integers(0, 2, num_events)]
    toy.event_id = rng.permutation(num_events) + 1000
    toy.add_to = lambda evaluator, events=slice(None): evaluator.add(
        toy.particles[events], toy.targets[events], toy.tracks[events], toy.clusters[events],
        {name: c[events] for name, c in toy.candidates.items()},
        toy.process[events], toy.event_id[events],
    )  # fmt: skip
    return toy


@pytest.fixture(scope="session")
def toy_events():
    """`toy_events(num_events, seed)` makes toy events, the same for the same seed."""
    return make_toy


@pytest.fixture(scope="session")
def with_one_more_cluster():
    """`with_one_more_cluster(toy)`: targets of elements with one more cluster in each event."""
    return finer


@pytest.fixture(scope="session")
def fill():
    """`fill(schema, offsets, **columns)` makes a collection; other columns hold zeros."""
    return filled
