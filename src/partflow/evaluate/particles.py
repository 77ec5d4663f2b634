"""Candidates compared with the targets of their elements, one element at a time."""

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


class RateCount(IntEnum):
    """What is counted per event, class and bin for efficiencies and fake rates."""

    TARGETS, RECONSTRUCTED, CANDIDATES, FAKES = range(4)


@dataclass(frozen=True)
class ParticleCounts(Sample):
    """Numbers and energies of targets and candidates per event; classes as indices in CLASSES."""

    by_pt: Array
    """[event, RateCount, class, bin]; the first and last bin hold what is outside the edges."""
    by_abs_eta: Array
    """[event, RateCount, class, bin], likewise."""
    confusion: Array
    """Elements by class of target and of their most energetic candidate, [event, class, class]."""
    num_candidates: Array
    """All candidates, including those without an element, [event, class]."""
    num_without_element: Array
    """Candidates without an element, which enter no rate, [event]."""
    target_energy: Array
    """Sum of energies, [event, class] (GeV)."""
    candidate_energy: Array
    """Sum of energies, [event, class] (GeV)."""


@dataclass(frozen=True)
class ReconstructedTargets(Sample):
    """Targets with a candidate of the same class at their element; columns are [target]."""

    kind: Array
    """Index of the class in CLASSES."""
    pt: Array
    """pt(target), GeV."""
    abs_eta: Array
    """abs(eta(target))."""
    pt_response: Array
    """pt(candidate)/pt(target)."""
    energy_response: Array
    """energy(candidate)/energy(target)."""
    eta_residual: Array
    """eta(candidate) - eta(target)."""
    phi_residual: Array
    """phi(candidate) - phi(target), rad."""


def elements_of_candidates(candidates: Collection, targets: Collection, num_tracks: Array) -> Array:
    """Row among the elements (rows of `targets`) of each candidate, [candidate]; -1 without one.

    The element of a candidate is its track, or else its cluster. `num_tracks` [event] is the
    number of tracks, which come before the clusters of an event. Raises DataError if an index is
    out of range.
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
) -> tuple[ParticleCounts, ReconstructedTargets]:
    """Compare the candidates of some events with the targets.

    Args:
        targets: Targets in the order of the elements: tracks, then clusters of each event.
        num_tracks: Number of tracks of each event, [event].
        candidates: Candidates of the same events.
        first_event: Number of the first event in the evaluation.
        config: Edges of the bins.

    Raises:
        DataError: A class is unknown, or a candidate points beyond the elements.
    """
    _check_classes(targets.pdg_id, CLASSES)
    _check_classes(candidates.pdg_id, CLASSES[1:])
    element = elements_of_candidates(candidates, targets, num_tracks)
    at_element = element >= 0
    target_class, candidate_class = class_index(targets.pdg_id), class_index(candidates.pdg_id)
    is_right = np.zeros(len(candidates), dtype=bool)
    is_right[at_element] = candidate_class[at_element] == target_class[element[at_element]]
    best = _most_energetic(element, candidates.energy, at_element & is_right, len(targets))
    is_reconstructed = best >= 0
    selections = {
        RateCount.TARGETS: (targets, target_class, target_class > 0),
        RateCount.RECONSTRUCTED: (targets, target_class, is_reconstructed),
        RateCount.CANDIDATES: (candidates, candidate_class, at_element),
        RateCount.FAKES: (candidates, candidate_class, at_element & ~is_right),
    }

    def counts(column: str, edges: Sequence[float]) -> Array:
        """Counts of all kinds in bins of a column, [event, RateCount, class, bin]."""
        rows = [_counts_in_bins(*selections[count], column, edges) for count in RateCount]
        return np.stack(rows, axis=1)

    event, outside = candidates.event_index, (~at_element).astype(np.int64)
    num_events = targets.num_events
    particle_counts = ParticleCounts(
        event=np.arange(num_events) + first_event,
        by_pt=counts("pt", config.particle_pt_edges),
        by_abs_eta=counts("eta", config.abs_eta_edges),
        confusion=_confusion(targets, candidates, element),
        num_candidates=_counts_per_event(event, candidate_class, NUM_CLASSES, num_events),
        num_without_element=_counts_per_event(event, outside, 2, num_events)[:, 1],
        target_energy=_energy_sums(targets, target_class),
        candidate_energy=_energy_sums(candidates, candidate_class),
    )
    rows = np.flatnonzero(is_reconstructed & (targets.pt > 0) & (targets.energy > 0))
    reconstructed = _reconstructed_targets(targets, candidates, rows, best[rows], first_event)
    return particle_counts, reconstructed


def _confusion(targets: Collection, candidates: Collection, element: Array) -> Array:
    """Elements by class of target and of their leading candidate, [event, class, class]."""
    candidate_class = class_index(candidates.pdg_id)
    leading = _most_energetic(element, candidates.energy, element >= 0, len(targets))
    leading_class = np.where(leading >= 0, candidate_class[leading] if len(candidates) else 0, 0)
    pairs = class_index(targets.pdg_id) * NUM_CLASSES + leading_class
    counts = _counts_per_event(targets.event_index, pairs, NUM_CLASSES**2, targets.num_events)
    return counts.reshape(-1, NUM_CLASSES, NUM_CLASSES)


def _reconstructed_targets(
    targets: Collection, candidates: Collection, target: Array, candidate: Array, first_event: int
) -> ReconstructedTargets:
    """Responses of the candidates in rows `candidate` to the targets in rows `target`.

    This sample alone has a row per particle; narrow types limit it to 29 bytes a row.
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
    return ReconstructedTargets(
        event=(targets.event_index[target] + first_event).astype(np.int32),
        kind=class_index(targets.pdg_id[target]).astype(np.int8),
        **{name: column.astype(np.float32) for name, column in values.items()},
    )


def _check_classes(pdg_id: Array, allowed: Sequence[int]) -> None:
    """Raise DataError if a class is not among those allowed."""
    unknown = np.setdiff1d(pdg_id, allowed)
    if len(unknown):
        raise DataError(
            f"pdg_id {unknown[0]} is no class of particle; use one of "
            f"{', '.join(str(c) for c in allowed)}"
        )


def _most_energetic(element: Array, energy: Array, is_selected: Array, num_elements: int) -> Array:
    """Row of the most energetic selected candidate at each element, [element], or -1."""
    leading = np.full(num_elements, -1, dtype=np.int64)
    rows = np.argsort(energy, kind="stable")
    rows = rows[is_selected[rows]]
    leading[element[rows]] = rows  # in increasing energy: the last assignment stays
    return leading


def _counts_in_bins(
    objects: Collection, kind: Array, is_selected: Array, column: str, edges: Sequence[float]
) -> Array:
    """Numbers of selected objects by abs(column), [event, class, bin]."""
    num_bins = len(edges) + 1
    values = np.abs(objects.columns[column][is_selected])
    key = kind[is_selected] * num_bins + np.searchsorted(edges, values, side="right")
    event = objects.event_index[is_selected]
    counts = _counts_per_event(event, key, NUM_CLASSES * num_bins, objects.num_events)
    return counts.reshape(-1, NUM_CLASSES, num_bins)


def _counts_per_event(event: Array, key: Array, num_keys: int, num_events: int) -> Array:
    """How often each key occurs in each event, [event, key]; small integers save memory."""
    counts = np.bincount(event * num_keys + key, minlength=num_events * num_keys)
    return counts.reshape(num_events, num_keys).astype(np.uint16)


def _energy_sums(objects: Collection, kind: Array) -> Array:
    """Sums of energies, [event, class] (GeV)."""
    key = objects.event_index * NUM_CLASSES + kind
    size = objects.num_events * NUM_CLASSES
    sums = np.bincount(key, weights=objects.energy, minlength=size)
    return sums.reshape(objects.num_events, NUM_CLASSES)
