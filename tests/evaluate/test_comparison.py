"""Two reports: significant differences are found; unequal definitions are rejected."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.evaluate.comparison import Report, compare, read_report
from partflow.evaluate.replicas import read_replicas, write_replicas

CONFIG = EvaluationConfig(num_replicas=100)


def report_of(toy, config=CONFIG, name=Path("report")):
    evaluator = Evaluator(config)
    toy.add_to(evaluator)
    return Report(name, *evaluator.metrics_and_replicas())


def wider(toy, factor):
    """The same events; momenta of `mlpf` scaled by `factor` or its inverse in alternate events."""
    pt, energy = (toy.candidates["mlpf"].columns[name] for name in ("pt", "energy"))
    events = toy.candidates["mlpf"].event_index
    scale = np.where(events % 2 == 0, factor, 1 / factor)
    pt *= scale
    energy *= scale
    return toy


def by_name(comparison):
    return {d.name: d for d in comparison.differences}


def test_a_report_does_not_differ_from_itself(toy_events):
    report = report_of(toy_events(60, 31))
    comparison = compare(report, report)
    assert comparison.is_paired
    assert len(comparison.differences) > 100
    assert comparison.significant == ()
    assert comparison.sentence.startswith("None of ")
    assert all(d.deviation == 0 for d in comparison.differences)


def test_a_wider_response_is_worse_and_other_sets_are_the_same(toy_events):
    first = report_of(toy_events(100, 32))
    second = report_of(wider(toy_events(100, 32), 1.15))
    comparison = compare(first, second)
    entry = by_name(comparison)["jets.mlpf.iqr_over_median"]
    assert entry.judgement == "worse"
    assert entry.change == pytest.approx(
        second.metrics["jets"]["mlpf"]["iqr_over_median"]
        - first.metrics["jets"]["mlpf"]["iqr_over_median"]
    )
    assert all(d.judgement == "same" for n, d in by_name(comparison).items() if ".baseline." in n)
    weights = [
        math.inf if d.significance is None else d.significance for d in comparison.differences
    ]
    assert weights == sorted(weights, reverse=True)


def test_the_same_events_are_compared_event_by_event(toy_events):
    # A small common change is significant only if the fluctuations of the events cancel.
    first = report_of(toy_events(60, 33))
    second = report_of(wider(toy_events(60, 33), 1.01))
    other = Report(Path("x"), {**second.metrics, "events": "others"}, second.replicas)
    name = "jets.mlpf.median"
    paired, independent = compare(first, second), compare(first, other)
    assert (paired.is_paired, independent.is_paired) == (True, False)
    assert by_name(paired)[name].deviation < 0.5 * by_name(independent)[name].deviation
    expected = math.hypot(*(
        np.diff(np.percentile(r.replicas[name], [15.87, 84.13]))[0] / 2 for r in (first, other)
    ))  # fmt: skip
    assert by_name(independent)[name].deviation == pytest.approx(expected)


def test_chance_alone_is_seldom_significant(toy_events):
    comparison = compare(report_of(toy_events(100, 34)), report_of(toy_events(100, 35)))
    assert not comparison.is_paired
    kinds = ("median", "matched_fraction", "efficiency")
    judged = [
        d for d in comparison.differences if d.name.endswith(kinds) and ".target." not in d.name
    ]
    assert len(judged) > 30
    # 0.3 % of them are expected, and more for metrics of few particles.
    assert sum(d.is_significant for d in judged) < 0.1 * len(judged)


def test_reports_on_reordered_events_are_of_the_same_events(toy_events):
    toy = toy_events(20, 36)
    evaluator = Evaluator(CONFIG)
    for i in reversed(range(20)):
        toy.add_to(evaluator, slice(i, i + 1))
    assert evaluator.metrics()["events"] == report_of(toy).metrics["events"]
    assert report_of(toy_events(20, 37)).metrics["events"] != report_of(toy).metrics["events"]


def test_the_only_user_set_of_each_report_is_compared_whatever_its_name(toy_events):
    first, toy = report_of(toy_events(30, 38)), toy_events(30, 38)
    toy.candidates = {"net.v2": toy.candidates.pop("mlpf"), **toy.candidates}
    entry = by_name(compare(first, report_of(toy)))["jets.mlpf.iqr"]
    assert entry.other_name == "jets.net.v2.iqr"
    assert entry.change == 0


def test_unequal_definitions_are_rejected_by_name(toy_events):
    toy = toy_events(10, 39)
    first = report_of(toy, name=Path("one"))
    second = report_of(toy, EvaluationConfig.with_radius(0.7), name=Path("two"))
    with pytest.raises(ConfigError, match=r"one and two: jet_min_pt is 5.0 in one and 15.0"):
        compare(first, second)


def test_reports_are_read_as_they_were_written(toy_events, tmp_path):
    report = report_of(toy_events(10, 40))
    (tmp_path / "metrics.json").write_text(json.dumps(report.metrics), encoding="utf-8")
    write_replicas(tmp_path / "replicas.npz", report.replicas)
    comparison = compare(report, read_report(tmp_path))
    assert comparison.is_paired
    assert comparison.significant == ()
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_folders_without_a_report_of_this_version_are_rejected(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_report(tmp_path)
    (tmp_path / "metrics.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(SchemaError, match="format 1, this version compares"):
        read_report(tmp_path)
    (tmp_path / "replicas.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be read"):
        read_replicas(tmp_path / "replicas.npz")
