"""Jet-energy corrections: a known response is found, and no event corrects itself."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.evaluate.comparison import Report, compare
from partflow.evaluate.corrections import (
    MIN_JETS,
    JetPairs,
    correct_dijets,
    correct_jets,
    correction_factors,
    derive_correction,
    halves,
)
from partflow.evaluate.dijets import DijetSample, pair_masses
from partflow.evaluate.gate import read_gate, violated_bounds
from partflow.evaluate.jets import MeasuredJetSample

CONFIG = EvaluationConfig(num_replicas=20, correct=True)
JETS_PER_EVENT = 4


def true_response(pt, abs_eta):
    """A response that rises with pt, from 0.8 at 5 GeV to 0.98, and falls by 4 % per unit eta."""
    return (1 - 0.45 / np.sqrt(pt)) * (1.02 - 0.04 * abs_eta)


def toy_jets(num_events, seed, response=true_response, resolution=0.1):
    """Matched jets with a falling spectrum of pt."""
    rng = np.random.default_rng(seed)
    num_jets = num_events * JETS_PER_EVENT
    pt = 5 * (1 - rng.random(num_jets)) ** -0.8
    abs_eta = rng.uniform(0, 3.2, num_jets)
    smeared = response(pt, abs_eta) * (1 + resolution * rng.normal(0, 1, num_jets).clip(-3, 3))
    event = np.repeat(np.arange(num_events), JETS_PER_EVENT)
    return MeasuredJetSample(event, pt, abs_eta, smeared, abs_eta)


def pairs_of(jets):
    return JetPairs(jets.event, jets.gen_pt, jets.response * jets.gen_pt, jets.reco_abs_eta)


def closures(jets):
    """Median response in each bin of abs(eta) and pt with at least 800 jets."""
    for low_eta, high_eta in pairwise(CONFIG.abs_eta_edges):
        for low, high in pairwise(CONFIG.pt_edges):
            inside = (jets.gen_abs_eta >= low_eta) & (jets.gen_abs_eta < high_eta)
            inside &= (jets.gen_pt >= low) & (jets.gen_pt < high)
            if inside.sum() >= 800:
                yield np.median(jets.response[inside])


@pytest.fixture(scope="module")
def curves():
    return derive_correction(pairs_of(toy_jets(200_000, 1)), CONFIG)


def test_a_known_response_is_recovered(curves):
    assert len(curves) == len(CONFIG.abs_eta_edges) - 1
    for curve in curves:
        pt = np.geomspace(8, 150, 50)
        response = true_response(pt, (curve.low + curve.high) / 2)
        assert curve(pt * response) == pytest.approx(1 / response, rel=0.015)


def test_closure_is_within_one_percent_in_an_independent_sample(curves):
    jets = toy_jets(30_000, 2)
    factors = correction_factors(curves, jets.response * jets.gen_pt, jets.reco_abs_eta)
    corrected = replace(jets, response=jets.response * factors)
    before, after = np.array(list(closures(jets))), np.array(list(closures(corrected)))
    assert len(after) > 15
    assert np.abs(before - 1).max() > 0.2
    assert np.abs(after - 1).max() < 0.01


def test_closure_of_the_two_halves_is_within_one_percent():
    jets = toy_jets(60_000, 3)
    corrected = correct_jets(jets, halves(np.arange(60_000)), CONFIG)
    assert np.abs(np.array(list(closures(corrected))) - 1).max() < 0.01


def test_a_falling_spectrum_does_not_bias_the_correction():
    # At a response of 1 nothing is to be corrected, although the jets of one reconstructed pt have
    # a lower generated pt on average.
    jets = toy_jets(60_000, 4, lambda pt, abs_eta: np.ones(len(pt)), resolution=0.2)
    assert np.median(1 / jets.response[(jets.response * jets.gen_pt > 20)]) < 0.97
    for curve in derive_correction(pairs_of(jets), CONFIG):
        assert np.average(curve.factor, weights=curve.num_jets) == pytest.approx(1.0, abs=0.01)
        assert curve.factor == pytest.approx(1.0, abs=0.1)


def test_no_event_enters_its_own_correction():
    jets, half = toy_jets(3000, 5), halves(np.arange(3000))
    before = correct_jets(jets, half, CONFIG).response / jets.response
    in_first = half[jets.event] == 0
    changed = replace(jets, gen_pt=np.where(in_first, 1.3 * jets.gen_pt, jets.gen_pt),
                      response=np.where(in_first, jets.response / 1.3, jets.response))  # fmt: skip
    after = correct_jets(changed, half, CONFIG).response / changed.response
    assert after[in_first] == pytest.approx(before[in_first], rel=1e-9)
    assert np.median(after[~in_first] / before[~in_first]) == pytest.approx(1.3, abs=0.05)


def test_corrected_pt_rises_with_reconstructed_pt():
    pt = np.geomspace(1, 2000, 4000)
    for curve in derive_correction(pairs_of(toy_jets(2000, 6, resolution=0.3)), CONFIG):
        assert np.all(np.diff(pt * curve(pt)) > 0)


def test_a_reconstructed_pt_that_falls_with_the_generated_one_is_not_inverted():
    # Jets of 18 GeV are measured at 27 GeV, jets of 22 GeV at 18 GeV.
    jets = toy_jets(20_000, 12, lambda pt, abs_eta: np.where(pt < 20, 1.5, 0.8), resolution=0.02)
    pt = np.geomspace(1, 2000, 4000)
    for curve in derive_correction(pairs_of(jets), CONFIG):
        assert np.all(np.diff(curve.reco_pt) > 0)
        assert np.all(np.diff(pt * curve(pt)) > 0)


def test_the_correction_is_constant_beyond_its_bins(curves):
    low, high = curves[0](np.array([0.0, 1e-3])), curves[0](np.array([5e3, 1e5]))
    assert low == pytest.approx(curves[0].factor[0])
    assert high == pytest.approx(curves[0].factor[-1])
    last = correction_factors(curves, np.array([30.0]), np.array([4.5]))
    assert last == curves[-1](np.array([30.0]))


def test_bins_with_few_jets_are_merged():
    curves = derive_correction(pairs_of(toy_jets(300, 7)), CONFIG)
    assert all(np.all(curve.num_jets >= MIN_JETS) for curve in curves)
    assert sum(curve.num_jets.sum() for curve in curves) > 1000
    assert (curves[0].low, curves[-1].high) == (0.0, 3.0)
    assert all(a.high == b.low for a, b in pairwise(curves))
    for curve in curves:
        assert (curve.pt_edges[0], curve.pt_edges[-1]) == (5.0, 800.0)
    (only,) = derive_correction(pairs_of(toy_jets(5, 7)), CONFIG)
    assert len(only.factor) == 1


def test_without_jets_nothing_is_corrected():
    jets = toy_jets(20, 8)
    one_half = correct_jets(jets, np.zeros(20, dtype=int), CONFIG)
    assert np.array_equal(one_half.response, jets.response)
    for outside in ({"gen_pt": np.full(80, 2.0)}, {"reco_abs_eta": np.full(80, 3.5)}):
        assert derive_correction(pairs_of(replace(jets, **outside)), CONFIG) == []
    unmatched = replace(jets, response=np.full(80, np.nan), reco_abs_eta=np.full(80, np.nan))
    assert not correct_jets(unmatched, halves(np.arange(20)), CONFIG).is_matched.any()


def test_unmatched_jets_stay_unmatched():
    jets = toy_jets(500, 9)
    jets.response[::7] = jets.reco_abs_eta[::7] = np.nan
    corrected = correct_jets(jets, halves(np.arange(500)), CONFIG)
    assert np.array_equal(corrected.is_matched, jets.is_matched)


@pytest.mark.parametrize("ids", [np.arange(10_000), 64 * np.arange(10_000), -np.arange(10_000)])
def test_the_halves_are_equal_and_depend_on_the_ids_alone(ids):
    half = halves(ids)
    assert set(half) == {0, 1}
    assert half.mean() == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(halves(ids[::-1]), half[::-1])
    assert half[:2000].mean() == pytest.approx(half[5000:].mean(), abs=0.04)


def test_the_masses_of_dijets_are_corrected():
    rng = np.random.default_rng(10)
    direction = rng.normal(0, 1, (8000, 2, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    energy = rng.uniform(20, 100, (8000, 2, 1))
    gen = np.concatenate([energy * direction, energy], axis=-1)
    reco = gen * 0.8 * (1 + 0.05 * rng.normal(0, 1, (8000, 2, 1)))
    masses = [pair_masses(np.concatenate([jets, jets], axis=1))[:, 0] for jets in (gen, reco)]
    sample = DijetSample(
        np.arange(8000), np.zeros(8000, int), *masses, np.hypot(*gen[..., :2].T).T, reco
    )
    sample.reco_jets[0] = sample.reco_mass[0] = np.nan
    corrected = correct_dijets(sample, halves(np.arange(8000)), CONFIG)
    before, after = (s.reco_mass / s.gen_mass for s in (sample, corrected))
    assert np.nanmedian(before) == pytest.approx(0.8, abs=0.01)
    assert np.nanmedian(after) == pytest.approx(1.0, abs=0.01)
    assert np.isnan(after[0])
    assert np.isfinite(after[1:]).all()


@pytest.fixture(scope="module")
def toy(toy_events):
    toy = toy_events(250, 11)
    # Candidates of `mlpf` have 80 % of their energy.
    for column in ("pt", "energy"):
        toy.candidates["mlpf"].columns[column] *= 0.8
    return toy


def evaluate(toy, config, parts=((0, 250),)):
    evaluator = Evaluator(config)
    for start, stop in parts:
        toy.add_to(evaluator, slice(start, stop))
    return evaluator


@pytest.fixture(scope="module")
def metrics(toy):
    return evaluate(toy, CONFIG).metrics()


def test_corrected_metrics_stand_beside_the_others(toy, metrics):
    jets = metrics["jets"]["mlpf"]
    corrected = jets["corrected"]
    assert jets["median"] < 0.85
    assert corrected["median"] == pytest.approx(1.0, abs=0.02)
    assert {*jets} - {"corrected"} == {*corrected} - {"correction", "closure"}
    assert corrected["matched_fraction"] == jets["matched_fraction"]
    assert len(corrected["bins"]) == len(jets["bins"])
    assert list(corrected["correction"]) == ["for_half_0", "for_half_1"]
    assert metrics["processes"]["ww"]["jets"]["mlpf"]["corrected"]["median"] is not None
    json.dumps(metrics, allow_nan=False)


def test_uncorrected_metrics_are_the_same_with_and_without_corrections(toy, metrics):
    def without_corrected(value):
        if isinstance(value, dict):
            return {k: without_corrected(v) for k, v in value.items() if k != "corrected"}
        return value

    plain = evaluate(toy, replace(CONFIG, correct=False)).metrics()
    assert without_corrected(plain) == plain
    metrics = {**metrics, "config": plain["config"]}
    assert without_corrected(metrics) == plain


def test_corrected_metrics_depend_neither_on_chunks_nor_on_the_order_of_events(toy, metrics):
    chunks = [(0, 1), (1, 1), (1, 120), (120, 250)]
    assert evaluate(toy, CONFIG, chunks).metrics() == metrics
    reverse = evaluate(toy, CONFIG, [(120, 250), (0, 120)]).metrics()
    assert reverse["jets"] == metrics["jets"]


def test_a_gate_can_bound_corrected_metrics(metrics, tmp_path):
    gate = tmp_path / "gate.toml"
    gate.write_text(
        "[jets.mlpf.corrected]\nmedian = { min = 0.97, max = 1.03 }\n"
        '[jets.mlpf.corrected.closure."0-0.5".bins."20-40"]\nmedian = { max = 0.5 }\n'
    )
    (message,) = violated_bounds(metrics, read_gate(gate))
    assert message.startswith("jets.mlpf.corrected.closure.0-0.5.bins.20-40.median = ")


def test_reports_with_and_without_corrections_can_be_compared(toy, tmp_path):
    first, second = (
        Report(tmp_path, *evaluate(toy, replace(CONFIG, correct=correct)).metrics_and_replicas())
        for correct in (False, True)
    )
    names = {difference.name for difference in compare(first, second).differences}
    assert names == set(first.replicas)
    both = {difference.name for difference in compare(second, second).differences}
    assert "jets.mlpf.corrected.iqr_over_median" in both


@pytest.mark.parametrize("num_events", [0, 1, 3])
def test_few_events_are_corrected_without_errors(toy, num_events):
    metrics = evaluate(toy, CONFIG, [(0, num_events)]).metrics()
    json.dumps(metrics, allow_nan=False)
    assert "corrected" in metrics["jets"]["mlpf"]
