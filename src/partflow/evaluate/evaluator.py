"""The evaluator: takes events chunk by chunk and computes the metrics of all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from partflow.core.candidate_sets import BASELINE, REFERENCES
from partflow.core.errors import DataError
from partflow.core.kinematics import momentum_from_pt_eta_phi
from partflow.core.particles import CLASS_NAMES, CLASSES, is_neutrino
from partflow.core.records import Array, Collection
from partflow.evaluate.background import (
    background_metrics,
    judge_background,
)
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.calibration import (
    calibration_metrics,
    judge_probabilities,
)
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.corrections import (
    CORRECTED,
    correction_entry,
    halves,
)
from partflow.evaluate.definitions import CORRECTED_DEFINITION, DEFINITIONS
from partflow.evaluate.dijets import (
    GenDijets,
    dijet_metrics,
    exclusive_jets,
    find_bosons,
    judge_dijets,
)
from partflow.evaluate.energy_flow import ClusterTruth, FlowSample, flow_metrics, judge_flow
from partflow.evaluate.evaluated_set import EvaluatedSet
from partflow.evaluate.jets import find_jets, jet_metrics, measure_jets
from partflow.evaluate.met import MetSample, met_metrics, missing_pt
from partflow.evaluate.particles import (
    judge_particles,
)
from partflow.evaluate.rates import confusion_counts, particle_metrics
from partflow.evaluate.replicas import digest_of_events, separate
from partflow.evaluate.sample import join

METRIC_GROUPS = (
    "jets", "met", "particles", "confusion", "dijets", "energy_flow", "calibration",
    "background",
)  # fmt: skip
"""Entries of `metrics.json` that hold the metrics of each candidate set."""

METRICS_FORMAT = 2
"""Version of the layout of `metrics.json`."""


class GeneratorLevel(NamedTuple):
    """Jets, MET and boson pairs of the generator particles of some events."""

    jets: Collection
    met: Array
    """[event], GeV."""
    dijets: GenDijets


def visible_particles(particles: Collection, config: EvaluationConfig) -> Collection:
    """Generator particles that gen jets and gen MET are made of.

    Neutrinos, particles of overlaid background events and particles below `config.min_theta` are
    left out.
    """
    keep = ~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0)
    if config.min_theta > 0:
        theta = np.arctan2(np.hypot(particles.px, particles.py), np.abs(particles.pz))
        keep &= theta > np.radians(config.min_theta)
    return particles.select(keep)


@dataclass
class Evaluator:
    """Compares candidates with the truth chunk by chunk, and computes metrics of all events."""

    config: EvaluationConfig = field(default_factory=EvaluationConfig)
    _event_id: list[Array] = field(default_factory=list, repr=False)
    _process: list[Array] = field(default_factory=list, repr=False)
    _chunks: dict[str, list[EvaluatedSet]] = field(default_factory=dict, repr=False)
    """Each candidate set in each chunk."""

    @property
    def num_events(self) -> int:
        """Number of events added so far."""
        return sum(len(ids) for ids in self._event_id)

    @property
    def names(self) -> list[str]:
        """Names of the candidate sets: the user's in their order, then the references."""
        user_sets = [name for name in self._chunks if name not in REFERENCES]
        return user_sets + [name for name in REFERENCES if name in self._chunks]

    @property
    def event_id(self) -> Array:
        """Id of each event added, [event]."""
        return np.concatenate([np.empty(0, np.int64), *self._event_id])

    @property
    def process(self) -> Array:
        """Process of each event added, [event]."""
        return np.concatenate([np.empty(0, object), *self._process])

    def evaluated(self, name: str) -> EvaluatedSet:
        """The candidate set `name` in all events added."""
        chunks = self._chunks[name]
        samples = ([getattr(p, part.name) for p in chunks] for part in fields(EvaluatedSet))
        return EvaluatedSet(*map(join, samples))

    def evaluated_sets(self) -> dict[str, EvaluatedSet]:
        """All candidate sets in all events added, by name in the order of `names`."""
        return {name: self.evaluated(name) for name in self.names}

    def add(
        self,
        particles: Collection,
        targets: Collection,
        tracks: Collection,
        clusters: Collection,
        candidates: Mapping[str, Collection],
        process: Array,
        event_id: Array | None = None,
        targets_of: Mapping[str, Collection] | None = None,
        cluster_truth_of: Mapping[str, ClusterTruth] | None = None,
        shares_of: Mapping[str, Collection] | None = None,
    ) -> None:
        """Add some events.

        Args:
            particles: Generator particles.
            targets: Targets in the order of the elements: tracks, then clusters of each event.
            tracks: Tracks.
            clusters: Clusters.
            candidates: Candidate sets by name.
            process: Name of the process of each event, [event].
            event_id: Ids of the events, [event]. They make intervals independent of the order of
                the events; by default the events are numbered as they are added.
            targets_of: Targets of candidate sets made from other elements: from the same tracks,
                and from the clusters that their `cluster_index` refers to.
            cluster_truth_of: For each candidate set made from clusters, the energy of these
                clusters by particle; a set without it has no energy flow.
            shares_of: For each candidate set that shares clusters out, the shares; in other sets
                each candidate is assumed to be made of its own cluster.

        Raises:
            DataError: Candidates are of other events, a momentum is not finite, or the names of
                the candidate sets differ from those of earlier events.
        """
        targets_of, shares_of = targets_of or {}, shares_of or {}
        collections = {
            "particles": particles, "tracks": tracks, "targets": targets, "clusters": clusters,
            **candidates,
            **{f"targets of {name}": targets for name, targets in targets_of.items()},
            **{f"shares of {name}": shares for name, shares in shares_of.items()},
        }  # fmt: skip
        _check_num_events(collections, len(process))
        _check_targets(targets, targets_of, tracks, clusters)
        self._check_names(candidates)
        generated = self._generator_level(particles, np.asarray(process, dtype=object))
        first = self.num_events
        for name, candidate_set in candidates.items():
            truth = (cluster_truth_of or {}).get(name)
            flow = _energy_flow(name, candidate_set, truth, shares_of.get(name), first)
            set_targets = targets_of.get(name, targets)
            evaluated = self._evaluate_set(
                name, candidate_set, generated, set_targets, tracks, flow
            )
            self._chunks.setdefault(name, []).append(evaluated)
        if event_id is None:
            event_id = np.arange(first, first + len(process))
        self._event_id.append(np.asarray(event_id, dtype=np.int64))
        self._process.append(np.asarray(process, dtype=object))

    def metrics(self) -> dict[str, Any]:
        """All metrics, as `metrics.json` holds them: numbers or None, never NaN."""
        return self.metrics_and_replicas()[0]

    def metrics_and_replicas(self, threads: int = 1) -> tuple[dict[str, Any], dict[str, Array]]:
        """All metrics, and the replicas [replica] of the inclusive ones by dotted name.

        The candidate sets are divided over `threads`.
        """
        bootstrap = Bootstrap.of_events(
            self.event_id, self.config.num_replicas, self.config.confidence, self.config.seed
        )
        evaluated_sets, half = self.evaluated_sets(), halves(self.event_id)
        corrected_sets = {}
        if self.config.correct:
            corrected_sets = {
                name: evaluated.corrected(half, self.config)
                for name, evaluated in evaluated_sets.items()
            }
        metrics, replicas = separate(
            self._metric_groups(evaluated_sets, corrected_sets, bootstrap, threads)
        )
        for name in corrected_sets:
            entry = correction_entry(evaluated_sets[name].jets, half, bootstrap, self.config)
            metrics["jets"][name][CORRECTED] |= separate(entry)[0]
        result: dict[str, Any] = {
            "format": METRICS_FORMAT,
            "num_events": self.num_events,
            "events": self._digest(evaluated_sets),
            **metrics,
            "processes": {},
        }
        process = self.process
        for name in dict.fromkeys(process.tolist()):
            keep = process == name
            part, corrected_part = (
                {n: evaluated.of_events(keep) for n, evaluated in sets.items()}
                for sets in (evaluated_sets, corrected_sets)
            )
            result["processes"][name] = {
                "num_events": int(keep.sum()),
                **separate(self._metric_groups(part, corrected_part, bootstrap, threads))[0],
            }
        if len(result["processes"]) == 1:
            result["processes"][process[0]] = {"num_events": self.num_events}
        result["config"] = json.loads(json.dumps(asdict(self.config)))  # lists, as on disk
        result["definitions"] = dict(DEFINITIONS)
        if corrected_sets:
            result["definitions"][CORRECTED] = CORRECTED_DEFINITION
        return result, replicas

    def _digest(self, evaluated_sets: Mapping[str, EvaluatedSet]) -> str:
        """Hash of the events added."""
        no_met = np.zeros(self.num_events)
        gen_met = next((evaluated.met.gen for evaluated in evaluated_sets.values()), no_met)
        return digest_of_events(self.event_id, self.process, gen_met)

    def _metric_groups(
        self, evaluated_sets: Mapping[str, EvaluatedSet],
        corrected_sets: Mapping[str, EvaluatedSet], bootstrap: Bootstrap, threads: int,
    ) -> dict[str, Any]:  # fmt: skip
        """Metrics with their replicas, by METRIC_GROUPS and candidate set."""

        def metrics_of(name: str) -> dict[str, Any]:
            """Metrics of one candidate set by METRIC_GROUPS."""
            baseline = None if name == BASELINE else evaluated_sets.get(BASELINE)
            metrics = self._metrics_of_set(evaluated_sets[name], baseline, bootstrap)
            if corrected_sets:
                corrected = corrected_sets[name]
                baseline = None if name == BASELINE else corrected_sets.get(BASELINE)
                metrics["jets"][CORRECTED] = self._jets_of_set(corrected, baseline, bootstrap)
                for boson, entry in dijet_metrics(corrected.dijets, bootstrap).items():
                    metrics["dijets"][boson][CORRECTED] = entry
            return metrics

        # The kernels of the bootstrap release the interpreter lock, so threads run in parallel.
        with ThreadPoolExecutor(threads) as pool:
            by_set = dict(zip(evaluated_sets, pool.map(metrics_of, evaluated_sets), strict=True))
        groups = {
            group: {name: metrics[group] for name, metrics in by_set.items()}
            for group in METRIC_GROUPS
        }
        classes = ["none", *(CLASS_NAMES[c] for c in CLASSES[1:])]
        return {**groups, "confusion": {"classes": classes, "counts": groups["confusion"]}}

    def _jets_of_set(
        self, evaluated: EvaluatedSet, baseline: EvaluatedSet | None, bootstrap: Bootstrap
    ) -> dict[str, Any]:
        """Jet metrics of one candidate set."""
        baseline_jets = None if baseline is None else baseline.jets
        return jet_metrics(evaluated.jets, baseline_jets, bootstrap, self.config)

    def _metrics_of_set(
        self, evaluated: EvaluatedSet, baseline: EvaluatedSet | None, bootstrap: Bootstrap
    ) -> dict[str, Any]:
        """Metrics of one candidate set by METRIC_GROUPS."""
        config = self.config
        return {
            "jets": self._jets_of_set(evaluated, baseline, bootstrap),
            "met": met_metrics(evaluated.met, bootstrap, config),
            "particles": particle_metrics(
                evaluated.particles, evaluated.reconstructed, bootstrap, config
            ),
            "confusion": confusion_counts(evaluated.particles),
            "dijets": dijet_metrics(evaluated.dijets, bootstrap),
            "energy_flow": flow_metrics(evaluated.flow, bootstrap),
            "calibration": calibration_metrics(evaluated.calibration, bootstrap),
            "background": background_metrics(evaluated.background, bootstrap),
        }

    def _generator_level(self, particles: Collection, process: Array) -> GeneratorLevel:
        """Jets, boson pairs and MET of the visible generator particles."""
        visible = visible_particles(particles, self.config)
        momentum = (visible.px, visible.py, visible.pz)
        jets = find_jets("particles", visible.offsets, momentum, visible.energy, self.config)
        bosons = find_bosons(
            process,
            lambda event: exclusive_jets(
                "particles", visible.offsets, momentum, visible.energy, event
            ),
        )
        met = missing_pt(visible.event_index, visible.px, visible.py, visible.num_events)
        return GeneratorLevel(jets, met, bosons)

    def _evaluate_set(
        self, name: str, candidates: Collection, generated: GeneratorLevel, targets: Collection,
        tracks: Collection, flow: FlowSample,
    ) -> EvaluatedSet:  # fmt: skip
        """Compare one candidate set of some events with generator level and targets."""
        config, first = self.config, self.num_events
        offsets, energy = candidates.offsets, candidates.energy
        momentum = momentum_from_pt_eta_phi(candidates.pt, candidates.eta, candidates.phi)
        jets = find_jets(name, offsets, momentum, energy, config)
        met = missing_pt(candidates.event_index, *momentum[:2], candidates.num_events)
        try:
            counts, reconstructed = judge_particles(
                targets, tracks.counts, candidates, first, config
            )
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        numbers = np.arange(first, first + candidates.num_events)
        pair_jets = exclusive_jets(name, offsets, momentum, energy, generated.dijets.event)
        return EvaluatedSet(
            jets=measure_jets(generated.jets, jets, first, config.max_delta_r),
            met=MetSample(numbers, generated.met, met),
            particles=counts,
            reconstructed=reconstructed,
            dijets=judge_dijets(generated.dijets, pair_jets, first),
            calibration=judge_probabilities(candidates, targets, tracks.counts, first),
            background=judge_background(candidates, targets, tracks.counts, first),
            flow=flow,
        )

    def _check_names(self, candidates: Mapping[str, Collection]) -> None:
        """Raise DataError if the candidate sets are not those of earlier events."""
        if self._chunks and set(self._chunks) != set(candidates):
            raise DataError(
                f"candidates {', '.join(sorted(candidates))} follow events with "
                f"{', '.join(sorted(self._chunks))}; give every event the same sets"
            )


def _energy_flow(
    name: str, candidates: Collection, cluster_truth: ClusterTruth | None,
    shares: Collection | None, first_event: int,
) -> FlowSample:  # fmt: skip
    """The energy flow of one candidate set in some events; empty without `cluster_truth`."""
    if cluster_truth is None:
        return FlowSample.empty()
    try:
        return judge_flow(candidates, cluster_truth, first_event, shares)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _check_targets(
    targets: Collection, targets_of: Mapping[str, Collection], tracks: Collection,
    clusters: Collection,
) -> None:  # fmt: skip
    """Raise DataError if there is not one target per element."""
    if not np.array_equal(targets.counts, tracks.counts + clusters.counts):
        raise DataError("targets: not one per track and cluster; label these events again")
    for name, set_targets in targets_of.items():
        if np.any(set_targets.counts < tracks.counts):
            raise DataError(f"targets of {name}: fewer than tracks; label these events again")


def _check_num_events(collections: Mapping[str, Collection], num_events: int) -> None:
    """Raise DataError for a collection of another number of events."""
    for name, collection in collections.items():
        if collection.num_events != num_events:
            raise DataError(
                f"{name}: {collection.num_events} events, but {num_events} to evaluate; "
                "give candidates made from these events"
            )
