"""Events go in, chunk after chunk; the figures of all of them come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from partflow.core.candidate_sets import (
    BASELINE,
    REFERENCES,
)
from partflow.core.errors import DataError
from partflow.core.kinematics import momentum_from_pt_eta_phi
from partflow.core.particles import CLASS_NAMES, CLASSES, is_neutrino
from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.calibration import (
    CalibrationSample,
    calibration_metrics,
    judge_probabilities,
)
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.dijets import (
    DijetSample,
    GenDijets,
    dijet_metrics,
    exclusive_jets,
    find_bosons,
    judge_dijets,
)
from partflow.evaluate.energy_flow import ClusterTruth, FlowSample, flow_metrics, judge_flow
from partflow.evaluate.jets import JetSample, find_jets, jet_metrics, judge_jets
from partflow.evaluate.met import MetSample, met_metrics, missing_pt
from partflow.evaluate.particles import FoundSample, ParticleSample, judge_particles
from partflow.evaluate.rates import confusion_counts, particle_metrics
from partflow.evaluate.replicas import digest_of_events, separate
from partflow.evaluate.sample import join, select

PARTS = ("jets", "met", "particles", "confusion", "dijets", "energy_flow", "calibration")
"""Tables of `metrics.json` that have an entry for each candidate set."""

METRICS_FORMAT = 2
"""Version of the layout of `metrics.json`."""

DEFINITIONS = {
    "gen_jets": "ee_genkt jets (R, power -1, minimum pt: see config) of generator particles of "
    "status 1 without neutrinos, at any polar angle above config.min_theta",
    "overlay": "gen jets, gen MET and the generator's dijets are of the signal alone; targets, "
    "candidates and the energy flow hold particles of overlaid background events, too",
    "matching": "nearest reconstructed jet with delta R below config.max_delta_r, for each gen jet",
    "response": "pt(reco)/pt(gen) of matched jets; iqr = p75 - p25",
    "matched_fraction": "gen jets with a matched reconstructed jet / gen jets",
    "met": "length of the sum of transverse momenta; response in events with gen MET above "
    "config.min_gen_met, difference reco - gen in all events",
    "efficiency": "targets with a candidate of the same class at their element / targets",
    "fake_rate": "candidates whose element's target is not of their class / candidates, among "
    "candidates that stand at an element",
    "confusion": "elements by class of target (row) and of their most energetic candidate (column)",
    "particle_response": "pt and energy of a found target's candidate over the target's; "
    "residuals of eta and phi [rad] likewise; bins are those of the target",
    "dijets": "masses of the bosons of ww and zh from four exclusive Durham jets of everything "
    "visible, paired at generator level (both masses within 10 GeV of the bosons'), candidates' "
    "jets matched to those by angle; response m(reco)/m(gen)",
    "energy_flow": "mean EM-scale energy in clusters per event [GeV] by the generator particle "
    "that left it and by what it was taken for: by the shares where clusters were shared out, else "
    "by the candidates without a track, each at its own cluster; of a cluster as much as can be "
    "right is counted as right, the rest in proportion",
    "calibration": "part of the candidates in a bin of probability whose element has a target; "
    "expected_calibration_error is the candidates' mean distance of the two; only candidates "
    "that the readout kept, none for sets without probabilities",
    "relative_to_baseline": "IQR/median over that of the baseline, on the same bootstrap replicas",
    "interval": "central interval of a Poisson bootstrap over events; null from fewer than two",
}


class Truth(NamedTuple):
    """Generator level of some events."""

    jets: Collection
    met: Array
    dijets: GenDijets


@dataclass(frozen=True)
class Judged:
    """What one candidate set made of all events."""

    jets: JetSample
    met: MetSample
    particles: ParticleSample
    found: FoundSample
    dijets: DijetSample
    calibration: CalibrationSample
    flow: FlowSample
    """Empty where it is not known who lit the clusters."""

    def of_events(self, keep: Array) -> Judged:
        """The part in events whose number is true in `keep` [event]."""
        samples = (getattr(self, part.name) for part in fields(self))
        return Judged(*(select(sample, keep[sample.event]) for sample in samples))


def visible_particles(particles: Collection, config: EvaluationConfig) -> Collection:
    """Generator particles that a detector could see: those that gen jets and gen MET are of.

    Particles of overlaid background events are not among them.
    """
    keep = ~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0)
    if config.min_theta > 0:
        theta = np.arctan2(np.hypot(particles.px, particles.py), np.abs(particles.pz))
        keep &= theta > np.radians(config.min_theta)
    return particles.select(keep)


@dataclass
class Evaluator:
    """Judges events chunk by chunk and keeps only what the figures need of them."""

    config: EvaluationConfig = field(default_factory=EvaluationConfig)
    _event_id: list[Array] = field(default_factory=list, repr=False)
    _process: list[Array] = field(default_factory=list, repr=False)
    _judged: dict[str, list[Judged]] = field(default_factory=dict, repr=False)

    @property
    def num_events(self) -> int:
        """Events added so far."""
        return sum(len(ids) for ids in self._event_id)

    @property
    def names(self) -> list[str]:
        """Candidate sets: the user's own in their order, then the references."""
        own = [name for name in self._judged if name not in REFERENCES]
        return own + [name for name in REFERENCES if name in self._judged]

    @property
    def event_id(self) -> Array:
        """Id of each event added, [event]."""
        return np.concatenate([np.empty(0, np.int64), *self._event_id])

    @property
    def process(self) -> Array:
        """Process of each event added, [event]."""
        return np.concatenate([np.empty(0, object), *self._process])

    def judged(self, name: str) -> Judged:
        """What the candidate set `name` made of all events added."""
        parts = self._judged[name]
        samples = ([getattr(p, part.name) for p in parts] for part in fields(Judged))
        return Judged(*map(join, samples))

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
        """Judge some more events.

        `targets` stand in the order of the elements, tracks before clusters. `process` [event]
        names where each event comes from; `event_id` [event] makes the intervals independent of
        the order of events (by default they are numbered as they come). `targets_of` holds the
        targets of candidate sets that were made from other elements: of the same tracks, and of
        the clusters that their `cluster_index` counts. `cluster_truth_of` says, for candidate
        sets made from clusters, who lit those; without it they have no energy flow. `shares_of`
        says, for sets that share clusters out, to whom; without it each candidate is taken to be
        made of its own cluster.
        Raises DataError for candidates of other events, for momenta that are not finite, and
        where the names of the candidate sets differ from those of earlier events.
        """
        others = targets_of or {}
        self._check({"particles": particles, "tracks": tracks, "targets": targets,
                     "clusters": clusters, **candidates}, len(process))  # fmt: skip
        self._check({f"targets of {name}": t for name, t in others.items()}, len(process))
        self._check_names(candidates)
        if not np.array_equal(targets.counts, tracks.counts + clusters.counts):
            raise DataError("targets: not one per track and cluster; label these events again")
        for name, own in others.items():
            if np.any(own.counts < tracks.counts):
                raise DataError(f"targets of {name}: fewer than tracks; label these events again")
        first = self.num_events
        truth = self._truth(particles, np.asarray(process, dtype=object))
        lit, shares = cluster_truth_of or {}, shares_of or {}
        self._check({f"shares of {name}": s for name, s in shares.items()}, len(process))
        for name, found in candidates.items():
            own = others.get(name, targets)
            flow = lit.get(name), shares.get(name)
            judged = self._judge(name, found, truth, own, tracks, *flow)
            self._judged.setdefault(name, []).append(judged)
        if event_id is None:
            event_id = np.arange(first, first + len(process))
        self._event_id.append(np.asarray(event_id, dtype=np.int64))
        self._process.append(np.asarray(process, dtype=object))

    def metrics(self) -> dict[str, Any]:
        """All figures, as `metrics.json` holds them: numbers or None, never NaN."""
        return self.figures()[0]

    def figures(self, threads: int = 1) -> tuple[dict[str, Any], dict[str, Array]]:
        """`metrics`, and the replicas [replica] of the inclusive figures by dotted name.

        The candidate sets are divided over `threads`.
        """
        bootstrap = Bootstrap.of_events(
            self.event_id, self.config.num_replicas, self.config.confidence, self.config.seed
        )
        judged = {name: self.judged(name) for name in self.names}
        figures, replicas = separate(self._figures(judged, bootstrap, threads))
        result: dict[str, Any] = {
            "format": METRICS_FORMAT,
            "num_events": self.num_events,
            "events": self._digest(judged),
            **figures,
            "processes": {},
        }
        process = self.process
        for name in dict.fromkeys(process.tolist()):
            keep = process == name
            part = {n: j.of_events(keep) for n, j in judged.items()}
            result["processes"][name] = {
                "num_events": int(keep.sum()),
                **separate(self._figures(part, bootstrap, threads))[0],
            }
        if len(result["processes"]) == 1:
            result["processes"][process[0]] = {"num_events": self.num_events}
        result["config"] = json.loads(json.dumps(asdict(self.config)))  # lists, as on disk
        result["definitions"] = DEFINITIONS
        return result, replicas

    def _digest(self, judged: Mapping[str, Judged]) -> str:
        gen_met = next((of.met.gen for of in judged.values()), np.zeros(self.num_events))
        return digest_of_events(self.event_id, self.process, gen_met)

    def _figures(
        self, judged: Mapping[str, Judged], bootstrap: Bootstrap, threads: int
    ) -> dict[str, Any]:
        baseline = judged[BASELINE].jets if BASELINE in judged else None

        def of_set(name: str) -> dict[str, Any]:
            other = None if name == BASELINE else baseline
            return self._figures_of_set(judged[name], other, bootstrap)

        # The kernels of the bootstrap leave the interpreter free: threads gain nearly in full.
        with ThreadPoolExecutor(threads) as pool:
            of_sets = dict(zip(judged, pool.map(of_set, judged), strict=True))
        parts = {part: {name: of[part] for name, of in of_sets.items()} for part in PARTS}
        classes = ["none", *(CLASS_NAMES[c] for c in CLASSES[1:])]
        return {**parts, "confusion": {"classes": classes, "counts": parts["confusion"]}}

    def _figures_of_set(
        self, of: Judged, baseline: JetSample | None, bootstrap: Bootstrap
    ) -> dict[str, Any]:
        """Figures of one candidate set by PARTS."""
        return {
            "jets": jet_metrics(of.jets, baseline, bootstrap, self.config),
            "met": met_metrics(of.met, bootstrap, self.config),
            "particles": particle_metrics(of.particles, of.found, bootstrap, self.config),
            "confusion": confusion_counts(of.particles),
            "dijets": dijet_metrics(of.dijets, bootstrap),
            "energy_flow": flow_metrics(of.flow, bootstrap),
            "calibration": calibration_metrics(of.calibration, bootstrap),
        }

    def _truth(self, particles: Collection, process: Array) -> Truth:
        """Gen jets, bosons and gen MET of what a detector could see of the generator particles."""
        seen = visible_particles(particles, self.config)
        momentum = (seen.px, seen.py, seen.pz)
        jets = find_jets("particles", seen.offsets, momentum, seen.energy, self.config)
        bosons = find_bosons(
            process,
            lambda event: exclusive_jets("particles", seen.offsets, momentum, seen.energy, event),
        )
        met = missing_pt(seen.event_index, seen.px, seen.py, seen.num_events)
        return Truth(jets, met, bosons)

    def _judge(
        self, name: str, found: Collection, truth: Truth, targets: Collection,
        tracks: Collection, lit: ClusterTruth | None, shares: Collection | None,
    ) -> Judged:  # fmt: skip
        """What one candidate set made of some events."""
        config, first = self.config, self.num_events
        momentum = momentum_from_pt_eta_phi(found.pt, found.eta, found.phi)
        jets = find_jets(name, found.offsets, momentum, found.energy, config)
        met = missing_pt(found.event_index, momentum[0], momentum[1], found.num_events)
        try:
            particles = judge_particles(targets, tracks.counts, found, first, config)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        numbers = np.arange(first, first + found.num_events)
        pair_jets = exclusive_jets(name, found.offsets, momentum, found.energy, truth.dijets.event)
        return Judged(
            judge_jets(truth.jets, jets, first, config.max_delta_r),
            MetSample(numbers, truth.met, met),
            *particles,
            judge_dijets(truth.dijets, pair_jets, first),
            judge_probabilities(found, targets, tracks.counts, first),
            self._flow(name, found, lit, shares),
        )

    def _flow(
        self, name: str, found: Collection, lit: ClusterTruth | None, shares: Collection | None
    ) -> FlowSample:
        """Where the energy of the clusters of one candidate set went, if that is known."""
        if lit is None:
            return FlowSample.empty()
        try:
            return judge_flow(found, lit, self.num_events, shares)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error

    def _check(self, collections: Mapping[str, Collection], num_events: int) -> None:
        for name, collection in collections.items():
            if collection.num_events != num_events:
                raise DataError(
                    f"{name}: {collection.num_events} events beside {num_events} to judge; "
                    "give candidates made from these events"
                )

    def _check_names(self, candidates: Mapping[str, Collection]) -> None:
        if self._judged and set(self._judged) != set(candidates):
            raise DataError(
                f"candidates {', '.join(sorted(candidates))} follow events with "
                f"{', '.join(sorted(self._judged))}; give every event the same sets"
            )
