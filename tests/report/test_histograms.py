"""Histograms hold the fractions of a plain count, with statistical uncertainties."""

import numpy as np
import pytest

from partflow.report.plots.histograms import distribution_plot, fractions, histogram_columns
from partflow.report.style import drawing, looks

EDGES = np.linspace(0.7, 1.3, 61)


def test_fractions_are_those_of_a_plain_count():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(1.0, 0.2, 500), EDGES[:-1], [np.nan, np.inf, -np.inf]])
    histogram = fractions(values, EDGES, len(values))
    counts = np.histogram(values[np.isfinite(values)], EDGES)[0]
    assert 300 < counts.sum() < len(values)
    assert histogram.values().tolist() == (counts / len(values)).tolist()


def test_uncertainties_are_those_of_a_poisson_distribution():
    values = np.array([0.75, 0.75, 0.75, 0.75, 1.25])
    columns = histogram_columns({"mlpf": fractions(values, np.array([0.7, 1.0, 1.3]), 10)})
    assert columns["low"].tolist() == [0.7, 1.0]
    assert columns["mlpf"] == pytest.approx([0.4, 0.1])
    assert columns["mlpf uncertainty"] == pytest.approx([0.2, 0.1])


def test_a_histogram_without_values_is_empty():
    histogram = fractions(np.empty(0), EDGES, 0)
    assert not histogram.values().any()
    assert histogram_columns({}) == {"low": [], "high": []}


def test_sets_made_from_the_truth_have_no_bands():
    names = ["mlpf", "baseline", "target"]
    look = looks(names)
    histograms = {name: fractions(np.array([1.0, 1.1]), EDGES, 2) for name in names}
    with drawing():
        plot = distribution_plot(
            histograms, look, "toys", x_label="x", y_label="y", name="toy", title="Toy", caption="."
        )  # fmt: skip
    steps = plot.figure.axes[0].patches
    drawn = {name: sum(step.get_gid() == look[name].key for step in steps) for name in names}
    assert drawn == {"mlpf": 2, "baseline": 2, "target": 1}
