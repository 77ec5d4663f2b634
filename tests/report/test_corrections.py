"""Corrected jets on the page and in the terminal."""

import csv
import re
from dataclasses import replace

import pytest
from rich.console import Console

from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.report import evaluation
from partflow.report.terminal import jet_table


@pytest.fixture(scope="module", params=[True, False])
def written(request, toy_events, tmp_path_factory):
    """Whether jets are corrected, the folder of the report, and its metrics."""
    folder = tmp_path_factory.mktemp("report")
    evaluator = Evaluator(replace(EvaluationConfig(num_replicas=10), correct=request.param))
    toy_events(150, 31).add_to(evaluator)
    with pytest.MonkeyPatch.context() as patch:  # other plots take half a minute
        for others in ("jet_plots", "mass_plots", "particle_plots", "flow_plots"):
            patch.setattr(evaluation, others, lambda *_: ())
        return request.param, folder, evaluation.write_evaluation(evaluator, folder)


def test_the_page_shows_corrected_jets_on_request_only(written):
    is_corrected, folder, metrics = written
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert ("corrected IQR / median" in page) == is_corrected
    assert page.count("Jet-energy correction: mlpf.") == is_corrected
    plots = {file.stem for file in (folder / "plots").glob("jet_correction_*.csv")}
    assert plots == ({f"jet_correction_{i}" for i in (1, 2, 3, 4)} if is_corrected else set())
    if is_corrected:
        median = f"{metrics['jets']['mlpf']['corrected']['median']:.3f}"
        assert re.search(rf">{median}<", page)


def test_the_csv_of_a_correction_holds_its_numbers(written):
    is_corrected, folder, metrics = written
    if not is_corrected:
        return
    with (folder / "plots" / "jet_correction_1.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    correction = metrics["jets"]["mlpf"]["corrected"]["correction"]["for_half_1"]
    factors = [repr(b["factor"]) for curve in correction for b in curve["bins"]]
    assert [row["factor"] for row in rows if row["part"] == "for_half_1"] == factors


def test_the_terminal_lists_corrected_jets_below_the_others(written):
    is_corrected, _, metrics = written
    console = Console(width=110)
    with console.capture() as capture:
        console.print(jet_table(metrics))
    assert ("mlpf, corrected" in capture.get()) == is_corrected
    assert len(jet_table(metrics).rows) == (8 if is_corrected else 4)
