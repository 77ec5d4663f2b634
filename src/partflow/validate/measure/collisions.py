"""Collisions through the whole chain: jets, energies, clusters and energy flow of each event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
from partflow.evaluate.energy_flow import (
    EnergyOrigin,
    cluster_truth,
    judge_flow,
    origin_of_particles,
)
from partflow.evaluate.jets import JetSample, find_jets, judge_jets
from partflow.evaluate.sample import Sample, select
from partflow.label import perfect_candidates, target_candidates
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters
from partflow.validate.measure.tracks import perigee_miss
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample

CALORIMETER = "calorimeter"
PERFECT_OWN_TRACKS = "perfect, own tracks"
"""Perfect particle flow as the specification defines it: a particle is measured by its own track
or else by the calorimeters. PERFECT also uses the tracks of its secondaries, and is narrower."""
SETS = (BASELINE, CALORIMETER, PERFECT, PERFECT_OWN_TRACKS, TARGET)
"""Candidate sets whose jets are measured."""
EVALUATION = EvaluationConfig(pt_edges=(5, 10, 20, 40, 80, 200))
"""Jets as `evaluate` defines them, with the bins of the specification (section 9.2)."""
MIN_ENERGY_EM = 0.5
"""Purity and completeness are those of clusters and particles above this energy [GeV]."""
MIN_FRACTION = 0.1
"""Fraction of the energy of a cluster from which a particle is counted in it, and the reverse."""


def summarise_collisions(
    events: Events, detector: Detector, scale: HadronScale
) -> dict[str, Sample]:
    """The tables of a summary, by name, of simulated and reconstructed events."""
    labelled, _ = pipeline.label_events(events)
    deposits = resolve_deposits(
        events.particles, events.clusters, events.hit_clusters, events.contributions
    )

    def perfect(secondary_tracks: str) -> Collection:
        """Perfect candidates by the definition of `LabelConfig.secondary_tracks`."""
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
        "events": _events(events, labelled.gen_jets, sets, deposits, detector),
        "clusters": clusters,
        "split": split,
        **{
            jet_table(name): match_jets(name, candidates, labelled.gen_jets)
            for name, candidates in sets.items()
        },
    }


def jet_table(name: str) -> str:
    """Name of the table of a candidate set's jets."""
    return f"jets {name}"


def match_jets(name: str, candidates: Collection, gen_jets: Collection) -> JetSample:
    """Generator jets with the nearest jets of `candidates`, the candidate set `name`."""
    momentum = momentum_from_pt_eta_phi(candidates.pt, candidates.eta, candidates.phi)
    jets = find_jets(name, candidates.offsets, momentum, candidates.energy, EVALUATION)
    return judge_jets(gen_jets, jets, 0, EVALUATION.max_delta_r)


def calorimeter_candidates(events: Events) -> Collection:
    """Every final cluster as a massless candidate, which is the event without its tracks.

    The energy of a cluster is at the EM scale if the baseline made a photon or an electron of it,
    else at the hadronic scale. The clusters themselves were still made with the tracks.
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
    deposits: Deposits,
    detector: Detector,
) -> EventSample:
    """One row for each event."""
    particles, num = events.particles, len(events)
    visible = particles.select(~is_neutrino(particles.pdg_id))
    total = {
        name: np.bincount(candidates.event_index, candidates.energy, num)
        for name, candidates in sets.items()
    }
    truth = cluster_truth(particles, events.track_particles, events.clusters, deposits)
    misplaced = misplaced_energy(events, deposits)
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
        energy_flow=judge_flow(events.baseline, truth, first_event=0).energy,
        energy_absorbed=misplaced.absorbed,
        energy_counted_twice=misplaced.counted_twice,
    )


def _leading_cos_theta(jets: Collection) -> Array:
    """abs(cos theta) of the most energetic jet of each event, NaN without a jet, [event]."""
    order = np.lexsort((-jets.energy, jets.event_index))
    leading = np.full(jets.num_events, np.nan)
    has_jet = jets.counts > 0
    leading[has_jet] = np.abs(np.tanh(jets.eta[order][jets.offsets[:-1][has_jet]]))
    return leading


def _closure(events: Events) -> Array:
    """abs(sum of contributions - energy) / energy of each hit, [hit]."""
    hits, contributions = events.hits, events.contributions
    hit = hits.flat_index(contributions.event_index, contributions.hit_index)
    total = np.bincount(hit, contributions.energy_em.astype(np.float64), len(hits))
    return np.abs(total / hits.energy_em - 1)


class MisplacedEnergy(NamedTuple):
    """Energy that the baseline loses and that it counts twice, each [event] (GeV, EM scale)."""

    absorbed: Array
    """Energy of photons and neutral hadrons in clusters of the tracks of other particles."""
    counted_twice: Array
    """Energy of charged particles with track in clusters of neutral candidates."""


def misplaced_energy(events: Events, deposits: Deposits) -> MisplacedEnergy:
    """The energy that stands in wrong clusters of the baseline, which never divides a cluster.

    It differs from the energy flow of `evaluate`, which applies to all candidate sets. There a
    neutral candidate takes the part of its cluster that its energy accounts for, and all the rest
    is left to the tracks. Here a candidate takes its whole cluster, a cluster without candidate
    absorbs nothing, and no photon is absorbed by the tracks of its own conversion.
    """
    particles, tracks, clusters = events.particles, events.tracks, events.clusters
    candidates = events.baseline.select(events.baseline.cluster_index >= 0)
    links = events.track_particles
    cluster = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    track = tracks.flat_index(candidates.event_index, candidates.track_index)
    # The last entries are those of index -1: no track, and no cluster.
    track_to_particle = np.append(particles.flat_index(links.event_index, links.particle_index), -1)
    cluster_to_particle = np.full(len(clusters) + 1, -1)
    cluster_to_particle[cluster] = track_to_particle[track]
    is_charged, is_neutral = np.zeros((2, len(clusters) + 1), dtype=bool)
    is_charged[cluster], is_neutral[cluster] = candidates.charge != 0, candidates.charge == 0

    origin = origin_of_particles(particles, links)[deposits.particle]
    from_neutral = (origin == EnergyOrigin.PHOTON) | (origin == EnergyOrigin.NEUTRAL_HADRON)
    of_other = cluster_to_particle[deposits.cluster] != deposits.particle
    event = particles.event_index[deposits.particle]
    absorbed, counted_twice = (
        np.bincount(event[selected], deposits.energy_em[selected], len(events))
        for selected in (
            from_neutral & is_charged[deposits.cluster] & of_other,
            (origin == EnergyOrigin.WITH_TRACK) & is_neutral[deposits.cluster],
        )
    )
    return MisplacedEnergy(absorbed, counted_twice)


def _largest(values: Array, event: Array, num_events: int) -> Array:
    """Largest of `values` [object] in each event, 0 without any, [event]."""
    largest = np.zeros(num_events)
    np.maximum.at(largest, event, values)
    return largest


def _clusters(events: Events, deposits: Deposits) -> tuple[ClusterSample, SplitSample]:
    """Purity of clusters and completeness of particles."""
    particles, clusters = events.particles, events.clusters
    links = link_clusters(deposits)

    def fractions(row: Array, num: int) -> tuple[Array, Array, Array]:
        """Energy, largest fraction and number of large ones, of the `num` clusters or particles.

        `row` [link] is the cluster or the particle of each link.
        """
        total = np.bincount(row, links.energy_em, num)
        fraction = links.energy_em / total[row]
        is_large = fraction > MIN_FRACTION
        return total, _largest(fraction, row, num), np.bincount(row[is_large], minlength=num)

    of_cluster = fractions(links.cluster, len(clusters))
    of_particle = fractions(links.particle, len(particles))
    return (
        select(ClusterSample(clusters.event_index, *of_cluster), of_cluster[0] > MIN_ENERGY_EM),
        select(SplitSample(particles.event_index, *of_particle), of_particle[0] > MIN_ENERGY_EM),
    )
