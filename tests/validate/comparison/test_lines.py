"""Verdicts on ratios and negligible differences, and how lines are written."""

import numpy as np
import pytest

from partflow.core.provenance import Provenance
from partflow.evaluate.gate import Verdict
from partflow.validate.comparison import tables
from partflow.validate.comparison.lines import (
    Group,
    Quantity,
    compare_quantities,
    compare_replicas,
    deviation_of,
    mean_of,
)
from partflow.validate.comparison.result import Result, read_result, write_result
from partflow.validate.measure import estimate
from partflow.validate.table.criterion import PERCENT

BOOTSTRAP = estimate.resampling(400)


def judge(reference, fast, error=0.0, tolerance=0.1, negligible=0.0):
    """The line of two values, the second of which has independent replicas with this error."""
    fluctuation = np.random.default_rng(1).normal(0, error, estimate.REPLICAS)
    replicas = np.concatenate([[fast], fast + fluctuation])
    quantity = Quantity("x", lambda tables, bootstrap: replicas, negligible=negligible)
    stored = np.full(estimate.REPLICAS + 1, reference)
    return compare_replicas(quantity, stored, replicas, BOOTSTRAP, 400, tolerance)


@pytest.mark.parametrize(
    ("fast", "error", "verdict"),
    [
        (10.0, 0.0, Verdict.PASS),
        (10.5, 0.1, Verdict.PASS),
        (12.0, 0.1, Verdict.FAIL),
        (8.0, 0.1, Verdict.FAIL),
        (10.9, 0.5, Verdict.UNDECIDED),
        (10.0, 2.0, Verdict.UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval(fast, error, verdict):
    assert judge(10.0, fast, error).verdict == verdict


def test_small_differences_of_small_quantities_are_negligible():
    assert judge(0.0, 0.0, negligible=0.01).verdict == Verdict.PASS
    assert judge(0.001, 0.004, negligible=0.01).verdict == Verdict.PASS
    assert judge(0.001, 0.050, negligible=0.01).verdict == Verdict.FAIL
    assert judge(0.5, 0.505, negligible=0.01).verdict == Verdict.PASS  # by the ratio
    assert judge(0.5, 0.6, negligible=0.01).verdict == Verdict.FAIL


def test_two_zeros_agree_although_they_have_no_ratio():
    line = judge(0.0, 0.0)
    assert line.verdict == Verdict.PASS
    assert np.isnan(line.ratio.value)
    assert tables.ratio_text(line) == "–"


def test_a_quantity_that_the_reference_lacks_has_no_line():
    missing = np.full(estimate.REPLICAS + 1, np.nan)
    quantity = Quantity("x", lambda tables, bootstrap: tables)
    fast = np.ones(estimate.REPLICAS + 1)
    assert list(compare_quantities([quantity], missing, fast, BOOTSTRAP, 0.1)) == []
    (line,) = compare_quantities([quantity], fast, missing, BOOTSTRAP, 0.1)
    assert line.verdict == Verdict.UNDECIDED


def test_a_quantity_may_have_its_own_tolerance():
    quantity = Quantity("x", lambda tables, bootstrap: tables, tolerance=0.5)
    one = np.ones(estimate.REPLICAS + 1)
    (line,) = compare_quantities([quantity], one, 1.4 * one, BOOTSTRAP, 0.1)
    assert line.verdict == Verdict.PASS
    assert line.tolerance == 0.5


def test_means_and_deviations_are_those_of_the_selected_events():
    values = np.array([1.0, 2.0, 6.0, np.nan])
    selected = np.array([True, True, True, False])
    bootstrap = estimate.resampling(4)
    assert mean_of(values, selected, bootstrap)[0] == pytest.approx(3.0)
    assert deviation_of(values, selected, bootstrap)[0] == pytest.approx(np.std([1, 2, 6]))
    assert np.isnan(deviation_of(values, ~selected & False, bootstrap)).all()


@pytest.fixture
def groups():
    differing = compare_replicas(
        Quantity("share", lambda tables, bootstrap: tables, PERCENT),
        np.full(201, 0.4), np.full(201, 0.2), BOOTSTRAP, 400, 0.1,
    )  # fmt: skip
    return [
        Group("K0L, barrel", "2 GeV", 400, [differing]),
        Group("photon, barrel", "1 GeV", 400, [judge(10.0, 10.9, 0.5)]),
        Group("K0L, barrel", "10 GeV", 400, [differing]),
    ]


def test_tables_show_values_ratio_and_verdict(groups):
    text = tables.markdown(groups, "Geant4", is_stand_in=False)
    assert "0 of 3 quantities agree, 2 differ, 1 are not decided by so few events." in text
    assert "| share [%] | 40.00 | 20.00 | 0.50 | 10 % | **differs** |" in text
    assert text.count("## K0L, barrel") == 1
    short = tables.short_markdown(groups, "Geant4")
    assert "| K0L, barrel: Geant4, fast, ratio | 2 GeV | 10 GeV |" in short
    assert "| share [%] | 40.00, 20.00, **0.50** | 40.00, 20.00, **0.50** |" in short
    assert "| x | 10.000, 10.900, (1.09) |" in short


def test_stand_in_data_are_named_first(groups):
    assert tables.markdown(groups, "Geant4", is_stand_in=True).startswith(
        "**Geant4 with stand-in data"
    )


def test_a_result_is_read_as_it_was_written(groups, tmp_path):
    result = Result(groups, "Geant4", True, 3, Provenance("comparison", {"engine": "geant4"}))
    write_result(tmp_path, result)
    assert tables.markdown(read_result(tmp_path).groups, "Geant4", False) == tables.markdown(
        groups, "Geant4", False
    )
    assert read_result(tmp_path).provenance == result.provenance
