"""Candidate sets made from the truth, and the settings that candidates were made with."""

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
from partflow.core.deposits import Deposits, resolve_deposits
from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.records import Collection, Events
from partflow.core.store import read_provenance, shards


class References(NamedTuple):
    """Truth of some events, and the candidates made from it."""

    targets: dict[str, Collection]
    """TARGETS of each element set that the events hold."""
    candidates: dict[str, Collection]
    """CANDIDATES of the reference sets that are made from the truth."""
    element_sets: dict[str, str]
    """Element set of the candidate sets that divide clusters."""
    shares: dict[str, Collection]
    """SHARES of these candidate sets."""
    deposits: dict[str, Deposits]
    """Deposits in the clusters of each element set."""


def reference_candidates(events: Events, detector: Detector) -> References:
    """Targets and reference candidates of simulated events.

    Raises DataError where a truth link points out of its event.
    """
    from partflow.label import (
        label,
        perfect_candidates,
        sharing_candidates,
        target_candidates,
    )

    scale = load_hadron_scale(detector)
    deposits = deposits_of_element_sets(events)
    targets, candidates, shares = {}, {}, {}
    candidates[PERFECT] = perfect_candidates(
        events.particles,
        events.tracks,
        events.track_particles,
        events.hits,
        deposits["final"],
        scale,
    )
    sharing_sets = {"final": SHARING, "fine": SHARING_FINE}
    element_sets = {sharing_sets[element_set]: element_set for element_set in deposits}
    for name, element_set in element_sets.items():
        clusters = events.collections[ELEMENT_SETS[element_set].clusters]
        labelled = label(
            events.particles, events.tracks, events.track_particles, clusters,
            deposits[element_set], events.event_id, events.hits, with_jets=False,
        )  # fmt: skip
        targets[element_set], shares[name] = labelled.targets, labelled.shares
        candidates[name] = sharing_candidates(
            labelled.targets, labelled.shares, events.tracks, clusters, scale
        )
    candidates[TARGET] = target_candidates(targets["final"], events.tracks, events.clusters)
    return References(targets, candidates, element_sets, shares, deposits)


def deposits_of_element_sets(events: Events) -> dict[str, Deposits]:
    """Deposits in the clusters of each element set that the events hold."""
    deposits = {
        "final": resolve_deposits(
            events.particles, events.clusters, events.hit_clusters, events.contributions
        )
    }
    for element_set, (clusters, hit_clusters) in ELEMENT_SETS.items():
        if element_set not in deposits and clusters in events.collections:
            deposits[element_set] = deposits["final"].in_clusters(
                events.collections[clusters], events.collections[hit_clusters]
            )
    return deposits


def check_names(candidates: Mapping[str, Path]) -> None:
    """Raise InputError for candidates with the name of a reference set."""
    taken = set(REFERENCES) & set(candidates)
    if taken:
        raise InputError(
            f"candidates {taken.pop()!r}: a reference set has this name; choose another"
        )


def readout_of(candidates: Path) -> dict[str, Any]:
    """How candidates were read out of a network, from their provenance; {} if they were not."""
    provenance = read_provenance(shards(candidates, "candidates")[0])
    return dict(provenance.config.get("readout", {}))


def element_set_of(candidates: Path) -> str:
    """The element set that candidates were made from."""
    provenance = read_provenance(shards(candidates, "candidates")[0])
    return str(provenance.config.get("elements", "final"))


def knows_sources(candidates: Path) -> bool:
    """Whether it is known from which clusters candidates have their energy.

    It is each candidate's own cluster, or what the shares say. Candidates of a network of an
    earlier version can be of either kind, without shares.
    """
    provenance = read_provenance(shards(candidates, "candidates")[0])
    is_network = provenance.config.get("model", BASELINE) != BASELINE
    return not is_network or "head" in provenance.config
