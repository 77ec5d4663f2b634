"""Collisions through the whole chain: what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from partflow import pipeline
from partflow.core.candidate_sets import BASELINE, PERFECT, TARGET
from partflow.core.deposits import Deposits, resolve_deposits
from partflow.core.detector import Detector
from partflow.core.hadron_scale import HadronScale
from partflow.core.kinematics import eta_from_theta, momentum_from_pt_eta_phi
from partflow.core.particles import ELECTRON, NEUTRAL_HADRON, PHOTON, is_neutrino
from partflow.core.records import Array, Collection, Events
from partflow.core.schemas import CANDIDATES
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.jets import JetSample, find_jets, judge_jets
from partflow.evaluate.sample import Sample, select
from partflow.label import perfect_candidates, target_candidates
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters
from partflow.validate.measure.confusion import confusion
from partflow.validate.measure.tracks import perigee_miss
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample

CALORIMETER = "calorimeter"
PERFECT_OWN_TRACKS = "perfect, own tracks"
"""Perfect particle flow as the specification defines it: a particle is measured by its own track
or else by the calorimeters. PERFECT also uses the tracks of its secondaries, and is narrower."""
SETS = (BASELINE, CALORIMETER, PERFECT, PERFECT_OWN_TRACKS, TARGET)
"""Candidate sets whose jets are judged."""
JUDGING = EvaluationConfig(pt_edges=(5, 10, 20, 40, 80, 200))
"""Jets as `evaluate` defines them; bins of the specification's section 9.2."""
MIN_ENERGY = 0.5
"""Purity and completeness are those of clusters and particles above this [GeV, EM scale]."""
MIN_SHARE = 0.1
"""Share of the energy from which a particle counts for a cluster, and the other way round."""


def summarise_collisions(
    events: Events, detector: Detector, scale: HadronScale
) -> dict[str, Sample]:
    """Tables of simulated and reconstructed events."""
    labelled, _ = pipeline.label_events(events)
    deposits = resolve_deposits(
        events.particles, events.clusters, events.hit_clusters, events.contributions
    )

    def perfect(secondary_tracks: str) -> Collection:
        return perfect_candidates(
            events.particles, events.tracks, events.track_particles, events.hits, deposits,
            scale, LabelConfig(secondary_tracks=secondary_tracks),
        )  # fmt: skip

    sets = {
        BASELINE: events.baseline,
        CALORIMETER: calorimeter_candidates(events),
        PERFECT: perfect(LabelConfig().secondary_tracks),
        PERFECT_OWN_TRACKS: perfect("none"),
        TARGET: target_candidates(labelled.targets, events.tracks, events.clusters),
    }
    clusters, split = _clusters(events, deposits)
    return {
        "events": _events(events, labelled.gen_jets, sets, detector),
        "clusters": clusters,
        "split": split,
        **{
            jet_table(name): jets_of(name, found, labelled.gen_jets) for name, found in sets.items()
        },
    }


def jet_table(name: str) -> str:
    """Name of the table of a candidate set's jets."""
    return f"jets {name}"


def jets_of(name: str, found: Collection, gen_jets: Collection) -> JetSample:
    """The generator jets, and what the jets of the candidates `found` are to them."""
    momentum = momentum_from_pt_eta_phi(found.pt, found.eta, found.phi)
    jets = find_jets(name, found.offsets, momentum, found.energy, JUDGING)
    return judge_jets(gen_jets, jets, 0, JUDGING.max_delta_r)


def calorimeter_candidates(events: Events) -> Collection:
    """Every final cluster as a massless candidate: what the calorimeters see without tracks.

    At the EM scale where the baseline takes it for a photon or an electron, else at the
    hadronic scale. The clusters' borders are still those that the tracks have drawn.
    """
    clusters, candidates = events.clusters, events.baseline
    is_em = np.isin(candidates.pdg_id, (PHOTON, ELECTRON)) & (candidates.cluster_index >= 0)
    row = clusters.flat_index(candidates.event_index, candidates.cluster_index)[is_em]
    pdg_id = np.full(len(clusters), NEUTRAL_HADRON)
    pdg_id[row] = PHOTON
    energy = np.where(pdg_id == PHOTON, clusters.energy_em, clusters.energy_hadronic)
    columns = {
        "pdg_id": pdg_id,
        "charge": np.zeros(len(clusters)),
        "pt": energy * np.sin(clusters.theta),
        "eta": eta_from_theta(clusters.theta),
        "phi": clusters.phi,
        "energy": energy,
        "probability": np.ones(len(clusters)),
        "track_index": np.full(len(clusters), -1),
        "cluster_index": np.arange(len(clusters))
        - np.repeat(clusters.offsets[:-1], clusters.counts),
    }
    return Collection(CANDIDATES, clusters.offsets, columns)


def _events(
    events: Events,
    gen_jets: Collection,
    sets: Mapping[str, Collection],
    detector: Detector,
) -> EventSample:
    particles, num = events.particles, len(events)
    visible = particles.select(~is_neutrino(particles.pdg_id))
    total = {
        name: np.bincount(found.event_index, found.energy, num) for name, found in sets.items()
    }
    miss = perigee_miss(particles, detector.geometry().bending)
    return EventSample(
        event=np.arange(num),
        num_particles=visible.counts,
        num_hits=events.hits.counts,
        num_tracks=events.tracks.counts,
        num_clusters=events.clusters.counts,
        num_contributions=events.contributions.counts,
        abs_cos_theta=_leading_cos_theta(gen_jets),
        gen_energy=np.bincount(visible.event_index, visible.energy, num),
        baseline=total[BASELINE],
        calorimeter=total[CALORIMETER],
        perfect=total[PERFECT],
        closure=_largest(_closure(events), events.hits.event_index, num),
        perigee_miss=_largest(miss, particles.event_index, num),
        confusion=confusion(events),
    )


def _leading_cos_theta(jets: Collection) -> Array:
    """abs(cos theta) of the most energetic jet of each event, NaN without one, [event]."""
    order = np.lexsort((-jets.energy, jets.event_index))
    leading = np.full(jets.num_events, np.nan)
    has_jet = jets.counts > 0
    leading[has_jet] = np.abs(np.tanh(jets.eta[order][jets.offsets[:-1][has_jet]]))
    return leading


def _closure(events: Events) -> Array:
    """abs(sum of contributions - energy) / energy of each hit, [hit]."""
    hits, deposits = events.hits, events.contributions
    hit = hits.flat_index(deposits.event_index, deposits.hit_index)
    total = np.bincount(hit, deposits.energy_em.astype(np.float64), len(hits))
    return np.abs(total / hits.energy_em - 1)


def _largest(values: Array, event: Array, num_events: int) -> Array:
    """Largest of `values` [object] in each event, 0 without any, [event]."""
    largest = np.zeros(num_events)
    np.maximum.at(largest, event, values)
    return largest


def _clusters(events: Events, deposits: Deposits) -> tuple[ClusterSample, SplitSample]:
    """Purity of clusters and completeness of particles."""
    particles, clusters = events.particles, events.clusters
    links = link_clusters(deposits)

    def shares(end: Array, num: int) -> tuple[Array, Array, Array]:
        """Total energy, largest share and number of large shares of one end of the links."""
        total = np.bincount(end, links.energy_em, num)
        share = links.energy_em / total[end]
        return (
            total,
            _largest(share, end, num),
            np.bincount(end[share > MIN_SHARE], minlength=num),
        )

    of_cluster = shares(links.cluster, len(clusters))
    of_particle = shares(links.particle, len(particles))
    return (
        select(ClusterSample(clusters.event_index, *of_cluster), of_cluster[0] > MIN_ENERGY),
        select(SplitSample(particles.event_index, *of_particle), of_particle[0] > MIN_ENERGY),
    )
