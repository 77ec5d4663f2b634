"""RMS90, intervals and verdicts: the statistics behind the table."""

from statistics import NormalDist

import numpy as np
import pytest

from partflow.evaluate.gate import Verdict
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.measure.rms90 import rms90, rms90_replicas
from partflow.validate.table.comparisons import comparisons
from partflow.validate.table.criterion import PLAIN, Criterion
from partflow.validate.table.lines import judge_figure, judge_figures
from partflow.validate.table.rendering import by_section, format_line, markdown, summary_sentence
from partflow.validate.table.targets import targets

GAUSSIAN = np.array([NormalDist(1.0, 0.05).inv_cdf(p) for p in (np.arange(2000) + 0.5) / 2000])


def test_rms90_of_a_gaussian_is_79_percent_of_its_sigma():
    """Thomson, NIM A 611 (2009) 25, section 5."""
    rms, mean = rms90(GAUSSIAN)
    assert rms == pytest.approx(0.79 * 0.05, rel=0.005)
    assert mean == pytest.approx(1.0, abs=1e-3)


def test_rms90_hardly_changes_with_a_tail_of_five_percent():
    with_tail = np.concatenate([GAUSSIAN, np.full(100, 0.3)])
    assert rms90(with_tail).rms == pytest.approx(rms90(GAUSSIAN).rms, rel=0.15)
    assert np.std(with_tail) > 2 * np.std(GAUSSIAN)


def test_rms90_of_fewer_than_two_values_is_nan():
    assert np.isnan(rms90(np.array([])).rms)
    assert np.isnan(rms90(np.array([1.0])).rms)


def test_a_replica_repeats_events():
    values = np.array([0.9, 1.0, 1.02, 1.1, 1.3, 0.95, 1.01, 0.99, 1.05, 1.2])
    bootstrap = estimate.resampling(len(values))
    found = rms90_replicas(values, bootstrap)
    assert found.rms[0] == rms90(values).rms
    assert found.rms[1] == rms90(np.repeat(values, bootstrap.weights[0])).rms


def test_width_over_scale_of_a_gaussian_is_sigma_over_mean():
    event = np.arange(len(GAUSSIAN))
    bootstrap = estimate.resampling(len(GAUSSIAN))
    for found in (
        estimate.relative_iqr(GAUSSIAN, event, bootstrap),
        estimate.relative_deviation(GAUSSIAN, bootstrap),
    ):
        assert found.value == pytest.approx(0.05, rel=0.01)
        assert found.low < 0.05 < found.high


def test_intervals_have_the_width_of_the_error_of_the_mean():
    bootstrap = estimate.resampling(len(GAUSSIAN))
    found = estimate.mean(GAUSSIAN, bootstrap)
    expected = 2 * 1.96 * 0.05 / np.sqrt(len(GAUSSIAN))
    assert found.high - found.low == pytest.approx(expected, rel=0.2)


def test_estimates_without_values_are_nan():
    nothing, bootstrap = np.array([]), estimate.resampling(0)
    none = np.array([], dtype=np.int64)
    for found in (estimate.mean(nothing, bootstrap), estimate.median(nothing, none, bootstrap)):
        assert np.isnan(found).all()


def criterion(low=0.9, high=1.1):
    return Criterion("section", "label", "figure", "1.0 ± 0.1", "source", PLAIN, low, high)


@pytest.mark.parametrize(
    ("found", "full", "reduced"),
    [
        (Estimate(1.0, 0.95, 1.05), "pass", "pass"),
        (Estimate(1.0, 0.80, 1.05), "pass", "not decided"),
        (Estimate(0.8, 0.70, 0.95), "fail", "not decided"),
        (Estimate(0.8, 0.70, 0.89), "fail", "fail"),
        (Estimate(1.3, 1.20, 1.40), "fail", "fail"),
        (Estimate(1.0, np.nan, np.nan), "pass", "not decided"),
        (estimate.NOTHING, "fail", "not decided"),
    ],
)
def test_a_full_validation_decides_by_value_and_a_reduced_one_by_interval(found, full, reduced):
    assert judge_figure(criterion(), found, reduced=False).verdict == full
    assert judge_figure(criterion(), found, reduced=True).verdict == reduced


def test_a_line_without_bounds_cannot_fail():
    for reduced in (False, True):
        line = judge_figure(criterion(None, None), Estimate(9.0, 8.0, 10.0), reduced)
        assert line.verdict is None


def test_a_missing_figure_fails_a_full_validation():
    lines = judge_figures({}, reduced=False)
    assert {line.verdict for line in lines} == {Verdict.FAIL, None}


def test_no_line_stands_twice_in_the_table():
    lines = [*targets(), *comparisons()]
    assert len({line.figure for line in lines}) == len(lines)
    assert len({(line.section, line.label) for line in lines}) == len(lines)


def test_every_target_lies_within_its_bounds_and_bounds_are_finite():
    for line in targets():
        assert np.isfinite([line.low, line.high]).all()
        assert line.low < line.high


def test_the_table_counts_and_shows_its_verdicts():
    found = [Estimate(1.0, 0.95, 1.05), Estimate(2.0, 1.9, 2.1)]
    rows = [format_line(judge_figure(criterion(), f, reduced=False)) for f in found]
    assert summary_sentence(rows) == "1 of 2 lines pass, 1 fail."
    text = markdown(rows)
    assert "| label | 1.000 | 0.950 – 1.050 | 1.0 ± 0.1 | source | pass |" in text
    assert "| **fail** |" in text
    assert [name for name, _ in by_section(rows)] == ["section"]
