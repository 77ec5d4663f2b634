"""Particles, element by element: what a track or cluster became beside what it should become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from partflow.core.errors import DataError
from partflow.core.kinematics import delta_phi
from partflow.core.particles import CLASSES, class_index
from partflow.core.records import Array, Collection
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.sample import Sample

NUM_CLASSES = len(CLASSES)


class Count(IntEnum):
    """What is counted per event, class and bin."""

    TARGETS, FOUND, CANDIDATES, FAKES = range(4)


@dataclass(frozen=True)
class ParticleSample(Sample):
    """Targets and one set of candidates, counted per event; classes as indices in CLASSES."""

    by_pt: Array
    """[event, Count, class, bin]; the first and last bin hold what is outside the edges."""
    by_abs_eta: Array
    """[event, Count, class, bin], likewise."""
    confusion: Array
    """Elements by class of target and of their most energetic candidate, [event, class, class]."""
    num_candidates: Array
    """All candidates, also those that stand at no element, [event, class]."""
    num_without_element: Array
    """Candidates that stand at no element and are in no rate, [event]."""
    target_energy: Array
    """Sum of energies [GeV], [event, class]."""
    candidate_energy: Array
    """Sum of energies [GeV], [event, class]."""


@dataclass(frozen=True)
class FoundSample(Sample):
    """Targets that were found with the right class."""

    kind: Array
    """Index of the class in CLASSES, [found]."""
    pt: Array
    """Of the target, [found], GeV."""
    abs_eta: Array
    """Of the target, [found]."""
    pt_response: Array
    """pt(candidate)/pt(target), [found]."""
    energy_response: Array
    """energy(candidate)/energy(target), [found]."""
    eta_residual: Array
    """eta(candidate) - eta(target), [found]."""
    phi_residual: Array
    """phi(candidate) - phi(target), [found], rad."""


def elements_of_candidates(candidates: Collection, targets: Collection, num_tracks: Array) -> Array:
    """Row among the elements (rows of `targets`) of each candidate; -1 where it has none.

    A candidate with a track stands at its track, otherwise at its cluster; `num_tracks` [event]
    says where the clusters of an event begin. Raises DataError for an index out of range.
    """
    event = candidates.event_index
    track, cluster = candidates.track_index, candidates.cluster_index
    num_clusters = targets.counts - num_tracks
    for name, index, limit in (("track", track, num_tracks), ("cluster", cluster, num_clusters)):
        if np.any(index >= limit[event]):
            raise DataError(
                f"a candidate's {name}_index is beyond the {name}s of its event; "
                "give candidates made from these events"
            )
    in_event = np.where(track >= 0, track, np.where(cluster >= 0, num_tracks[event] + cluster, -1))
    return targets.flat_index(event, in_event)


def judge_particles(
    targets: Collection,
    num_tracks: Array,
    candidates: Collection,
    first_event: int,
    config: EvaluationConfig,
) -> tuple[ParticleSample, FoundSample]:
    """Compare the candidates of some events, the first being number `first_event`, to targets."""
    _check_classes(targets.pdg_id, CLASSES)
    _check_classes(candidates.pdg_id, CLASSES[1:])
    element = elements_of_candidates(candidates, targets, num_tracks)
    at_element = element >= 0
    wanted, given = class_index(targets.pdg_id), class_index(candidates.pdg_id)
    is_right = np.zeros(len(candidates), dtype=bool)
    is_right[at_element] = given[at_element] == wanted[element[at_element]]

    leading = _most_energetic(element, candidates.energy, at_element, len(targets))
    confused_with = np.where(leading >= 0, given[leading] if len(given) else 0, 0)
    finder = _most_energetic(element, candidates.energy, at_element & is_right, len(targets))
    is_found = finder >= 0
    chosen = {
        Count.TARGETS: (targets, wanted, wanted > 0),
        Count.FOUND: (targets, wanted, is_found),
        Count.CANDIDATES: (candidates, given, at_element),
        Count.FAKES: (candidates, given, at_element & ~is_right),
    }

    def counts(column: str, edges: Sequence[float]) -> Array:
        rows = [_counts_in_bins(*chosen[count], column, edges) for count in Count]
        return np.stack(rows, axis=1)

    num_events = targets.num_events
    pairs = wanted * NUM_CLASSES + confused_with
    confusion = _counts_per_event(targets.event_index, pairs, NUM_CLASSES**2, num_events)
    event, outside = candidates.event_index, (~at_element).astype(np.int64)
    judged = ParticleSample(
        event=np.arange(num_events) + first_event,
        by_pt=counts("pt", config.particle_pt_edges),
        by_abs_eta=counts("eta", config.abs_eta_edges),
        confusion=confusion.reshape(-1, NUM_CLASSES, NUM_CLASSES),
        num_candidates=_counts_per_event(event, given, NUM_CLASSES, num_events),
        num_without_element=_counts_per_event(event, outside, 2, num_events)[:, 1],
        target_energy=_energy_sums(targets, wanted),
        candidate_energy=_energy_sums(candidates, given),
    )
    rows = np.flatnonzero(is_found & (targets.pt > 0) & (targets.energy > 0))
    return judged, _found(targets, candidates, rows, finder[rows], wanted[rows], first_event)


def _found(
    targets: Collection, candidates: Collection, target: Array, candidate: Array, kind: Array,
    first_event: int,
) -> FoundSample:  # fmt: skip
    """Targets in rows `target` beside the candidates in rows `candidate` that found them.

    The one sample with a row per particle: narrow types keep it to 29 bytes.
    """
    phi = np.arctan2(targets.sin_phi[target], targets.cos_phi[target])
    values = {
        "pt": targets.pt[target],
        "abs_eta": np.abs(targets.eta[target]),
        "pt_response": candidates.pt[candidate] / targets.pt[target],
        "energy_response": candidates.energy[candidate] / targets.energy[target],
        "eta_residual": candidates.eta[candidate] - targets.eta[target],
        "phi_residual": delta_phi(candidates.phi[candidate], phi),
    }
    return FoundSample(
        event=(targets.event_index[target] + first_event).astype(np.int32),
        kind=kind.astype(np.int8),
        **{name: column.astype(np.float32) for name, column in values.items()},
    )


def _check_classes(pdg_id: Array, allowed: Sequence[int]) -> None:
    strange = np.setdiff1d(pdg_id, allowed)
    if len(strange):
        raise DataError(
            f"pdg_id {strange[0]} is no class of particle; choose one of "
            f"{', '.join(str(c) for c in allowed)}"
        )


def _most_energetic(element: Array, energy: Array, chosen: Array, num_elements: int) -> Array:
    """Row of the most energetic chosen candidate at each element, or -1."""
    leading = np.full(num_elements, -1, dtype=np.int64)
    rows = np.argsort(energy, kind="stable")
    rows = rows[chosen[rows]]
    leading[element[rows]] = rows  # in increasing energy: the last one stays
    return leading


def _counts_in_bins(
    objects: Collection, kind: Array, chosen: Array, column: str, edges: Sequence[float]
) -> Array:
    """Numbers of chosen objects by abs(column), [event, class, bin]."""
    num_bins = len(edges) + 1
    values = np.abs(objects.columns[column][chosen])
    key = kind[chosen] * num_bins + np.searchsorted(edges, values, side="right")
    event = objects.event_index[chosen]
    counts = _counts_per_event(event, key, NUM_CLASSES * num_bins, objects.num_events)
    return counts.reshape(-1, NUM_CLASSES, num_bins)


def _counts_per_event(event: Array, key: Array, num_keys: int, num_events: int) -> Array:
    """How often each key occurs in each event, [event, key]; small integers to spare memory."""
    counts = np.bincount(event * num_keys + key, minlength=num_events * num_keys)
    return counts.reshape(num_events, num_keys).astype(np.uint16)


def _energy_sums(objects: Collection, kind: Array) -> Array:
    """Sums of energies [GeV], [event, class]."""
    key = objects.event_index * NUM_CLASSES + kind
    size = objects.num_events * NUM_CLASSES
    sums = np.bincount(key, weights=objects.energy, minlength=size)
    return sums.reshape(objects.num_events, NUM_CLASSES)
