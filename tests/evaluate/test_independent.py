"""The metrics equal those of a plain, slow calculation: loops, fastjet, explicit formulas."""

import math
from dataclasses import replace

import fastjet
import numpy as np
import pytest

from partflow.evaluate import EvaluationConfig, Evaluator

NUM_EVENTS = 50


def slow_jets(particles, radius=0.4, min_pt=5.0):
    """(pt, eta, phi) of the jets above `min_pt` of (px, py, pz, energy) particles."""
    definition = fastjet.JetDefinition(fastjet.ee_genkt_algorithm, radius, -1.0)
    inputs = [fastjet.PseudoJet(*(float(v) for v in p)) for p in particles]
    if not inputs:
        return []
    sequence = fastjet._swig.ClusterSequence(inputs, definition)
    jets = []
    for jet in sequence.inclusive_jets(min_pt):
        pt = math.hypot(jet.px(), jet.py())
        jets.append((pt, math.asinh(jet.pz() / pt), math.atan2(jet.py(), jet.px())))
    return jets


def events_of(toy, name):
    """Visible generator particles and candidates of each event, as lists of four-vectors."""
    for i in range(toy.particles.num_events):
        gen = toy.particles[i : i + 1]
        visible = [
            (gen.px[k], gen.py[k], gen.pz[k], gen.energy[k])
            for k in range(len(gen))
            if abs(gen.pdg_id[k]) not in (12, 14, 16)
        ]
        reco = toy.candidates[name][i : i + 1]
        reconstructed = [
            (
                reco.pt[k] * math.cos(reco.phi[k]),
                reco.pt[k] * math.sin(reco.phi[k]),
                reco.pt[k] * math.sinh(reco.eta[k]),
                reco.energy[k],
            )
            for k in range(len(reco))
        ]
        yield visible, reconstructed


def slow_responses(toy, name, *definition):
    """(gen pt, gen eta, response or None) of every gen jet; `definition` as in `slow_jets`."""
    rows = []
    for visible, reconstructed in events_of(toy, name):
        reco_jets = slow_jets(reconstructed, *definition)
        for pt, eta, phi in slow_jets(visible, *definition):
            best, response = 0.1, None
            for reco_pt, reco_eta, reco_phi in reco_jets:
                turn = abs(phi - reco_phi)
                distance = math.sqrt((eta - reco_eta) ** 2 + min(turn, 2 * math.pi - turn) ** 2)
                if distance < best:
                    best, response = distance, reco_pt / pt
            rows.append((pt, eta, response))
    return rows


def check_jets(entry, rows):
    assert entry["num_gen"] == len(rows)
    matched = sorted(response for _, _, response in rows if response is not None)
    if not rows:
        assert entry["matched_fraction"] is None
    else:
        assert entry["matched_fraction"] == pytest.approx(len(matched) / len(rows), abs=1e-6)
    if not matched:
        assert entry["median"] is None
        assert entry["iqr_over_median"] is None
        return
    quarter, median, three_quarters = np.percentile(matched, [25, 50, 75])
    assert entry["median"] == pytest.approx(median, abs=1e-6)
    assert entry["iqr"] == pytest.approx(three_quarters - quarter, abs=1e-6)
    assert entry["iqr_over_median"] == pytest.approx((three_quarters - quarter) / median, abs=1e-6)


@pytest.fixture(scope="module")
def toy(toy_events):
    return toy_events(NUM_EVENTS, 11)


@pytest.fixture(scope="module")
def metrics(toy):
    evaluator = Evaluator(EvaluationConfig(num_replicas=20))
    toy.add_to(evaluator)
    return evaluator.metrics()


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
def test_jets(toy, metrics, name):
    rows = slow_responses(toy, name)
    assert len(rows) > 50
    entry = metrics["jets"][name]
    check_jets(entry, rows)
    for bins, quantity in (("bins", 0), ("eta_bins", 1)):
        for b in entry[bins]:
            check_jets(b, [r for r in rows if b["low"] <= abs(r[quantity]) < b["high"]])


@pytest.fixture(scope="module")
def metrics_of_wide_jets(toy):
    evaluator = Evaluator(replace(EvaluationConfig.with_radius(0.7), num_replicas=5))
    toy.add_to(evaluator)
    return evaluator.metrics()


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
def test_jets_of_the_older_definition(toy, metrics, metrics_of_wide_jets, name):
    rows = slow_responses(toy, name, 0.7, 15.0)
    assert len(rows) > 20
    assert min(pt for pt, _, _ in rows) > 15
    entry = metrics_of_wide_jets["jets"][name]
    assert entry["num_gen"] != metrics["jets"][name]["num_gen"]
    check_jets(entry, rows)
    for bins, quantity in (("bins", 0), ("eta_bins", 1)):
        for b in entry[bins]:
            check_jets(b, [r for r in rows if b["low"] <= abs(r[quantity]) < b["high"]])


@pytest.mark.parametrize("process", ["ttbar", "ww"])
def test_jets_of_one_process(toy, metrics, process, toy_events):
    rows = []
    for i in np.flatnonzero(toy.process == process):
        part = toy_events(0, 0)
        part.particles, part.candidates = (
            toy.particles[i : i + 1],
            {"mlpf": toy.candidates["mlpf"][i : i + 1]},
        )
        rows += slow_responses(part, "mlpf")
    figures = metrics["processes"][process]
    assert figures["num_events"] == np.sum(toy.process == process)
    check_jets(figures["jets"]["mlpf"], rows)


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
def test_missing_momentum(toy, metrics, name):
    responses, differences = [], []
    for visible, reconstructed in events_of(toy, name):
        gen = math.hypot(sum(p[0] for p in visible), sum(p[1] for p in visible))
        reco = math.hypot(sum(p[0] for p in reconstructed), sum(p[1] for p in reconstructed))
        differences.append(reco - gen)
        if gen > 5:
            responses.append(reco / gen)
    entry = metrics["met"][name]
    assert entry["num_events"] == len(responses)
    low, median, high = np.percentile(responses, [25, 50, 75])
    assert entry["median"] == pytest.approx(median, abs=1e-6)
    assert entry["iqr_over_median"] == pytest.approx((high - low) / median, abs=1e-6)
    low, high = np.percentile(differences, [25, 75])
    assert entry["iqr_of_difference"] == pytest.approx(high - low, abs=1e-6)


def elements(toy, name):
    """(target class, target pt, [(class, pt) of each candidate at it]) of every element."""
    for i in range(toy.targets.num_events):
        targets, reco = toy.targets[i : i + 1], toy.candidates[name][i : i + 1]
        for k in range(len(targets)):
            at_element = [
                (reco.pdg_id[j], reco.pt[j])
                for j in range(len(reco))
                if (reco.track_index[j] if reco.track_index[j] >= 0
                    else toy.tracks.counts[i] + reco.cluster_index[j]) == k
            ]  # fmt: skip
            yield targets.pdg_id[k], targets.pt[k], at_element


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
@pytest.mark.parametrize(
    ("label", "kind"),
    [("charged_hadron", 211), ("neutral_hadron", 130), ("photon", 22), ("electron", 11),
     ("muon", 13)],
)  # fmt: skip
def test_particles(toy, metrics, name, label, kind):
    targets = reconstructed = candidates = fakes = 0
    in_bin = [0, 0]
    responses = []
    for target_class, target_pt, at_element in elements(toy, name):
        right = [pt for candidate_class, pt in at_element if candidate_class == kind]
        if target_class == kind:
            targets += 1
            reconstructed += bool(right)
            in_bin[0] += 1 <= target_pt < 2
            in_bin[1] += bool(right) and 1 <= target_pt < 2
            responses += [right[0] / target_pt] if right else []
        candidates += len(right)
        fakes += len(right) if target_class != kind else 0
    entry = metrics["particles"][name][label]
    assert (entry["num_targets"], entry["num_candidates"]) == (targets, candidates)
    assert entry["efficiency"] == pytest.approx(reconstructed / targets, abs=1e-6)
    assert entry["fake_rate"] == pytest.approx(fakes / candidates, abs=1e-6)
    bin_entry = next(b for b in entry["bins"] if b["low"] == 1)
    assert bin_entry["num_targets"] == in_bin[0]
    assert bin_entry["efficiency"] == pytest.approx(in_bin[1] / in_bin[0], abs=1e-6)
    low, median, high = np.percentile(responses, [25, 50, 75])
    assert entry["pt_response"]["median"] == pytest.approx(median, abs=1e-6)
    assert entry["pt_response"]["iqr"] == pytest.approx(high - low, abs=1e-6)


def test_confusion(toy, metrics):
    classes = [0, 211, 130, 22, 11, 13]
    expected = np.zeros((6, 6), dtype=int)
    for target_class, _, at_element in elements(toy, "mlpf"):
        candidate_class = at_element[0][0] if at_element else 0
        expected[classes.index(target_class), classes.index(candidate_class)] += 1
    assert metrics["confusion"]["counts"]["mlpf"] == expected.tolist()
    assert metrics["confusion"]["classes"][1] == "charged_hadron"


CLASSES = {
    "charged_hadron": 211, "neutral_hadron": 130, "photon": 22, "electron": 11, "muon": 13
}  # fmt: skip


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
@pytest.mark.parametrize("label", CLASSES)
def test_rates_in_bins_of_eta(toy, metrics, name, label):
    kind, of_targets, of_candidates = CLASSES[label], [], []
    for i in range(NUM_EVENTS):
        targets, reco = toy.targets[i : i + 1], toy.candidates[name][i : i + 1]
        classes_at = {k: set() for k in range(len(targets))}
        for j in range(len(reco)):
            is_track = reco.track_index[j] >= 0
            k = reco.track_index[j] if is_track else toy.tracks.counts[i] + reco.cluster_index[j]
            classes_at[k].add(reco.pdg_id[j])
            if reco.pdg_id[j] == kind:
                of_candidates.append((abs(reco.eta[j]), targets.pdg_id[k] != kind))
        for k in range(len(targets)):
            if targets.pdg_id[k] == kind:
                of_targets.append((abs(targets.eta[k]), kind in classes_at[k]))
    filled = 0
    for b in metrics["particles"][name][label]["eta_bins"]:
        is_reconstructed = [right for eta, right in of_targets if b["low"] <= eta < b["high"]]
        is_fake = [fake for eta, fake in of_candidates if b["low"] <= eta < b["high"]]
        assert (b["num_targets"], b["num_candidates"]) == (len(is_reconstructed), len(is_fake))
        for rate, flags in (("efficiency", is_reconstructed), ("fake_rate", is_fake)):
            if flags:
                filled += 1
                assert b[rate] == pytest.approx(sum(flags) / len(flags), abs=1e-6)
            else:
                assert b[rate] is None
    assert filled > 4


@pytest.mark.parametrize("name", ["mlpf", "baseline", "perfect", "target"])
def test_energies_of_classes(toy, metrics, name):
    for label, kind in CLASSES.items():
        target_energy = candidate_energy = 0.0
        for i in range(NUM_EVENTS):
            targets, reco = toy.targets[i : i + 1], toy.candidates[name][i : i + 1]
            target_energy += sum(
                targets.energy[k] for k in range(len(targets)) if targets.pdg_id[k] == kind
            )
            candidate_energy += sum(
                reco.energy[j] for j in range(len(reco)) if reco.pdg_id[j] == kind
            )
        entry = metrics["particles"][name][label]
        assert target_energy > 0
        assert entry["target_energy_per_event"] == pytest.approx(
            target_energy / NUM_EVENTS, abs=1e-6
        )
        assert entry["candidate_energy_per_event"] == pytest.approx(
            candidate_energy / NUM_EVENTS, abs=1e-6
        )
