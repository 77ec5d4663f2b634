"""The evaluator: exact values where they are known, null without data, errors for wrong input."""

import json
import math

import numpy as np
import pytest

from partflow.core.errors import ConfigError, DataError
from partflow.core.kinematics import eta_from_momentum
from partflow.core.records import Collection
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    PARTICLES,
    TARGETS,
    TRACKS,
)
from partflow.evaluate import EvaluationConfig, Evaluator

QUICK = EvaluationConfig(num_replicas=20)


def metrics_of(toy, config=QUICK):
    evaluator = Evaluator(config)
    toy.add_to(evaluator)
    return evaluator.metrics()


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [n for v in value for n in numbers_in(v)]
    return [value] if isinstance(value, float) else []


def copy_of_generator(particles, fill):
    seen = particles.select(particles.pdg_id != 12)
    return fill(
        CANDIDATES, seen.offsets, pdg_id=np.full(len(seen), 211), energy=seen.energy,
        pt=np.hypot(seen.px, seen.py), eta=eta_from_momentum(seen.px, seen.py, seen.pz),
        phi=np.arctan2(seen.py, seen.px), track_index=np.full(len(seen), -1),
        cluster_index=np.full(len(seen), -1),
    )  # fmt: skip


def test_a_copy_of_the_generator_has_a_perfect_response(toy_events, fill):
    toy = toy_events(40, 1)
    toy.candidates = {"copy": copy_of_generator(toy.particles, fill)}
    metrics = metrics_of(toy)
    jets, met = metrics["jets"]["copy"], metrics["met"]["copy"]
    assert jets["num_gen"] > 30
    assert jets["matched_fraction"] == 1.0
    assert jets["median"] == pytest.approx(1.0, abs=1e-12)
    assert jets["iqr"] == pytest.approx(0.0, abs=1e-12)
    assert jets["iqr_over_median_ci"] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert met["median"] == pytest.approx(1.0, abs=1e-9)
    assert met["iqr_of_difference"] == pytest.approx(0.0, abs=1e-9)


def test_the_target_has_full_efficiency_and_no_fakes(toy_events):
    for entry in metrics_of(toy_events(40, 2))["particles"]["target"].values():
        assert entry["efficiency"] == 1.0
        assert entry["fake_rate"] == 0.0


def test_shape_of_the_metrics(toy_events):
    metrics = metrics_of(toy_events(30, 3))
    assert metrics["num_events"] == 30
    names = ["mlpf", "baseline", "perfect", "target"]
    for group in ("jets", "met", "particles"):
        assert list(metrics[group]) == names
    jets = metrics["jets"]["mlpf"]
    keys = {"num_gen", "matched_fraction", "median", "iqr", "iqr_over_median",
              "iqr_over_median_ci", "bins"}  # fmt: skip
    assert keys <= set(jets)
    assert [(b["low"], b["high"]) for b in jets["bins"]] == [
        (5, 10), (10, 20), (20, 40), (40, 60), (60, 80), (80, 100), (100, 200), (200, 400),
        (400, 800),
    ]  # fmt: skip
    assert all(keys - {"bins"} <= set(b) for b in jets["bins"] + jets["eta_bins"])
    assert {"median", "iqr_over_median", "iqr_of_difference"} <= set(metrics["met"]["mlpf"])
    assert set(metrics["particles"]["mlpf"]) == {
        "charged_hadron", "neutral_hadron", "photon", "electron", "muon"
    }  # fmt: skip
    assert set(metrics["processes"]) == {"ttbar", "ww"}


def test_every_metric_lies_inside_its_interval(toy_events):
    # About half of the replicas are on each side of the value of the sample.
    metrics = metrics_of(toy_events(100, 4), EvaluationConfig(num_replicas=100))
    for name in ("mlpf", "baseline", "perfect"):
        jets = metrics["jets"][name]
        for key in ("matched_fraction", "median", "iqr", "iqr_over_median"):
            low, high = jets[f"{key}_ci"]
            assert low <= jets[key] <= high
            assert low < high


def test_candidate_sets_are_compared_on_the_same_replicas(toy_events, fill):
    # The ratio of a set to itself is 1, without any uncertainty.
    toy = toy_events(40, 5)
    toy.candidates = {"twin": toy.candidates["baseline"], "baseline": toy.candidates["baseline"]}
    relative = metrics_of(toy)["jets"]["twin"]["relative_to_baseline"]
    assert relative == {"iqr_over_median": 1.0, "iqr_over_median_ci": [1.0, 1.0]}


def moved_up(candidates):
    """The same candidates where every event has one more cluster, before the others."""
    index = candidates.cluster_index
    columns = {**candidates.columns, "cluster_index": np.where(index >= 0, index + 1, -1)}
    return Collection(CANDIDATES, candidates.offsets, columns)


def test_a_set_made_from_other_elements_is_compared_with_their_targets(
    toy_events, with_one_more_cluster
):
    toy = toy_events(30, 11)
    evaluator = Evaluator(QUICK)
    sets = {"fine": moved_up(toy.candidates["mlpf"]), "final": toy.candidates["mlpf"]}
    evaluator.add(
        toy.particles, toy.targets, toy.tracks, toy.clusters, sets, toy.process,
        targets_of={"fine": with_one_more_cluster(toy)},
    )  # fmt: skip
    metrics = evaluator.metrics()
    assert metrics["particles"]["fine"] == metrics["particles"]["final"]
    assert metrics["jets"]["fine"] == metrics["jets"]["final"]
    assert metrics["particles"]["fine"]["photon"]["efficiency"] > 0.5


def test_targets_of_other_events_are_rejected(toy_events, with_one_more_cluster):
    toy = toy_events(5, 12)
    for targets, message in (
        (with_one_more_cluster(toy)[:4], "targets of mlpf: 4 events, but 5 to evaluate"),
        (Collection.empty(TARGETS, 5), "targets of mlpf: fewer than tracks"),
    ):
        with pytest.raises(DataError, match=message):
            Evaluator(QUICK).add(
                toy.particles, toy.targets, toy.tracks, toy.clusters, toy.candidates, toy.process,
                targets_of={"mlpf": targets},
            )  # fmt: skip


def test_a_class_that_never_occurs_is_null(toy_events):
    toy = toy_events(20, 6)
    keep = toy.targets.pdg_id != 13
    toy.targets.columns["pdg_id"][~keep] = 211
    for candidates in toy.candidates.values():
        candidates.columns["pdg_id"][candidates.pdg_id == 13] = 211
    muon = metrics_of(toy)["particles"]["mlpf"]["muon"]
    assert (muon["num_targets"], muon["num_candidates"]) == (0, 0)
    assert muon["efficiency"] is None
    assert muon["fake_rate"] is None
    assert muon["efficiency_ci"] == [None, None]
    assert muon["pt_response"]["median"] is None


def test_a_bin_without_jets_is_null(toy_events):
    last = metrics_of(toy_events(20, 7))["jets"]["mlpf"]["bins"][-1]
    assert last["num_gen"] == 0
    assert last["matched_fraction"] is None
    assert last["iqr_over_median"] is None
    assert last["iqr_over_median_ci"] == [None, None]


def test_one_event_has_metrics_but_no_interval(toy_events):
    toy = toy_events(30, 8)
    rich = int(np.argmax(toy.particles.counts))
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator, slice(rich, rich + 1))
    jets = evaluator.metrics()["jets"]["mlpf"]
    assert jets["median"] is not None
    assert jets["median_ci"] == [None, None]


@pytest.mark.parametrize("num_events", [0, 1, 5])
def test_events_without_any_objects_are_evaluated(num_events, fill):
    nothing = {s.name: Collection.empty(s, num_events)
               for s in (PARTICLES, TARGETS, TRACKS, CLUSTERS, CANDIDATES)}  # fmt: skip
    evaluator = Evaluator(QUICK)
    evaluator.add(
        nothing["particles"], nothing["targets"], nothing["tracks"], nothing["clusters"],
        {"mlpf": nothing["candidates"], "baseline": nothing["candidates"]},
        np.full(num_events, "ww", dtype=object),
    )  # fmt: skip
    metrics = evaluator.metrics()
    assert metrics["num_events"] == num_events
    assert metrics["jets"]["mlpf"]["num_gen"] == 0
    assert metrics["jets"]["mlpf"]["median"] is None
    assert metrics["met"]["mlpf"]["median"] is None
    assert metrics["particles"]["mlpf"]["photon"]["efficiency"] is None
    json.dumps(metrics, allow_nan=False)


def test_an_evaluator_without_events_has_metrics():
    metrics = Evaluator().metrics()
    assert metrics["num_events"] == 0
    assert metrics["jets"] == {}
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("num_events", [1, 2, 25])
def test_no_metric_is_nan(toy_events, num_events):
    numbers = numbers_in(metrics_of(toy_events(num_events, 9)))
    assert numbers
    assert all(math.isfinite(n) for n in numbers)


def test_metrics_do_not_depend_on_the_chunks(toy_events):
    toy = toy_events(30, 10)
    evaluator = Evaluator(QUICK)
    for start, stop in ((0, 1), (1, 1), (1, 17), (17, 30)):
        toy.add_to(evaluator, slice(start, stop))
    assert evaluator.metrics() == metrics_of(toy)


def test_metrics_do_not_depend_on_the_order_of_events(toy_events):
    toy = toy_events(30, 11)
    one, other = Evaluator(QUICK), Evaluator(QUICK)
    toy.add_to(one)
    for i in reversed(range(30)):
        toy.add_to(other, slice(i, i + 1))
    first, second = one.metrics(), other.metrics()
    assert first["jets"] == second["jets"]
    assert first["confusion"] == second["confusion"]
    assert numbers_in(first["met"]) == pytest.approx(numbers_in(second["met"]), rel=1e-12)


def test_metrics_of_a_single_process_are_not_repeated(toy_events):
    toy = toy_events(10, 12)
    toy.process[:] = "zh"
    assert metrics_of(toy)["processes"] == {"zh": {"num_events": 10}}


def test_the_acceptance_cut_removes_the_jet_of_a_photon_in_the_beam_pipe(fill):
    # A 100 GeV photon at 4 degrees and one at 60: only the second can be reconstructed.
    theta = np.radians([4.0, 60.0])
    particles = fill(
        PARTICLES, [0, 2], pdg_id=np.array([22, 22]), px=100 * np.sin(theta),
        pz=100 * np.cos(theta), energy=np.array([100.0, 100.0]),
    )  # fmt: skip
    candidates = fill(
        CANDIDATES, [0, 1], pdg_id=np.array([22]), pt=100 * np.sin(theta[1:]),
        eta=np.arcsinh(1 / np.tan(theta[1:])), energy=np.array([100.0]),
        track_index=np.array([-1]), cluster_index=np.array([0]),
    )  # fmt: skip
    targets = fill(TARGETS, [0, 1], pdg_id=np.array([22]), pt=100 * np.sin(theta[1:]))

    def matched(min_theta):
        evaluator = Evaluator(EvaluationConfig(num_replicas=5, min_theta=min_theta))
        evaluator.add(
            particles, targets, fill(TRACKS, [0, 0]), fill(CLUSTERS, [0, 1]),
            {"reco": candidates}, np.array(["qq"], dtype=object),
        )  # fmt: skip
        return evaluator.metrics()["jets"]["reco"]["matched_fraction"]

    assert matched(0.0) == 0.5
    assert matched(6.4) == 1.0


def test_a_candidate_without_an_element_is_counted_but_in_no_rate(toy_events, fill):
    toy = toy_events(20, 13)
    toy.candidates = {"copy": copy_of_generator(toy.particles, fill)}
    entry = metrics_of(toy)["particles"]["copy"]["charged_hadron"]
    assert entry["num_candidates"] == len(toy.candidates["copy"])
    assert entry["efficiency"] == 0.0
    assert entry["fake_rate"] is None


def test_candidates_of_other_events_are_rejected(toy_events):
    toy, other = toy_events(10, 14), toy_events(11, 14)
    toy.candidates["mlpf"] = other.candidates["mlpf"]
    with pytest.raises(DataError, match="mlpf: 11 events, but 10 to evaluate"):
        metrics_of(toy)


def test_candidates_at_elements_that_do_not_exist_are_rejected(toy_events):
    toy = toy_events(10, 15)
    toy.candidates["mlpf"].columns["track_index"][3] = 10_000
    with pytest.raises(DataError, match=r"mlpf: .*track_index is beyond the tracks of its event"):
        metrics_of(toy)


def test_an_unknown_class_is_rejected(toy_events):
    toy = toy_events(10, 16)
    toy.candidates["mlpf"].columns["pdg_id"][0] = 321
    with pytest.raises(DataError, match="mlpf: pdg_id 321 is no class of particle"):
        metrics_of(toy)


def test_a_momentum_that_is_nan_is_rejected(toy_events):
    toy = toy_events(10, 17)
    toy.candidates["mlpf"].columns["pt"][0] = np.nan
    with pytest.raises(DataError, match=r"mlpf: jets: 1 values of px not finite"):
        metrics_of(toy)


def test_all_events_must_have_the_same_candidate_sets(toy_events):
    toy = toy_events(10, 18)
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    del toy.candidates["mlpf"]
    with pytest.raises(DataError, match="give every event the same sets"):
        toy.add_to(evaluator)


def test_there_must_be_one_target_per_element(toy_events):
    toy = toy_events(10, 19)
    toy.clusters = toy.tracks
    with pytest.raises(DataError, match="not one per track and cluster"):
        metrics_of(toy)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jet_radius": 0.0}, "jet_radius"),
        ({"pt_edges": (10.0, 5.0)}, "pt_edges"),
        ({"confidence": 1.0}, "confidence"),
        ({"min_theta": 90.0}, "min_theta"),
    ],
)
def test_impossible_settings_are_rejected(wrong, message):
    with pytest.raises(ConfigError, match=message):
        EvaluationConfig(**wrong)
