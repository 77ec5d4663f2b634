"""Candidate sets made from the truth, and what is known of candidates from their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.candidate_sets import (
    BASELINE,
    PERFECT,
    REFERENCES,
    SHARING,
    SHARING_FINE,
    TARGET,
)
from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.records import Collection, Events
from partflow.core.store import read_provenance, shards


class References(NamedTuple):
    """What candidates are judged by, and candidates made from the truth to stand beside them."""

    targets: dict[str, Collection]
    """Targets of each set of elements that the events hold."""
    candidates: dict[str, Collection]
    """Perfect and target particle flow, perfect sharing of each set of elements."""
    elements: dict[str, str]
    """Set of elements of those that share out clusters."""
    shares: dict[str, Collection]
    """SHARES behind those."""


def reference_candidates(events: Events, detector: Detector) -> References:
    """Targets of simulated events, and the ceilings as candidates."""
    from partflow.label.candidates import (
        perfect_candidates,
        sharing_candidates,
        target_candidates,
    )
    from partflow.label.labelling import label

    scale = load_hadron_scale(detector)
    targets, candidates, made_from, shares = {}, {}, {}, {}
    candidates[PERFECT] = perfect_candidates(
        events.particles,
        events.tracks,
        events.hits,
        events.hit_clusters,
        events.contributions,
        events.track_particles,
        scale,
    )
    for elements, name in (("final", SHARING), ("fine", SHARING_FINE)):
        if ELEMENT_SETS[elements][0] in events.collections:
            clusters, hit_clusters = (events.collections[one] for one in ELEMENT_SETS[elements])
            labelled = label(
                events.particles, events.tracks, clusters, hit_clusters, events.contributions,
                events.track_particles, events.event_id, events.hits, with_jets=False,
            )  # fmt: skip
            targets[elements], made_from[name] = labelled.targets, elements
            shares[name] = labelled.shares
            candidates[name] = sharing_candidates(
                labelled.targets, labelled.shares, events.tracks, clusters, scale
            )
    candidates[TARGET] = target_candidates(targets["final"], events.tracks, events.clusters)
    return References(targets, candidates, made_from, shares)


def check_names(candidates: Mapping[str, Path]) -> None:
    """Raise InputError for candidates that bear the name of a reference."""
    taken = set(REFERENCES) & set(candidates)
    if taken:
        raise InputError(f"candidates {taken.pop()!r}: this name is always there; choose another")


def readout_of(candidates: Path) -> dict[str, Any]:
    """How candidates were read out of a network, as their provenance has it; {} if not."""
    record = read_provenance(shards(candidates, "candidates")[0])
    return dict(record.config.get("readout", {}))


def elements_of(candidates: Path) -> str:
    """The set of elements that candidates were made from."""
    record = read_provenance(shards(candidates, "candidates")[0])
    return str(record.config.get("elements", "final"))


def knows_sources(candidates: Path) -> bool:
    """Whether it is known from which clusters candidates have their energy.

    Each from its own, or as the shares say; those of a network of an earlier version may be of
    either kind, without shares.
    """
    file = shards(candidates, "candidates")[0]
    config = read_provenance(file).config
    is_network = config.get("model", BASELINE) != BASELINE
    return not is_network or "head" in config
