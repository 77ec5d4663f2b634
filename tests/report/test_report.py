"""The page and its files: complete, without other files, and safe with hostile names."""

import base64
import csv
import hashlib
import html
import json
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from rich.console import Console

from partflow.core.provenance import Provenance
from partflow.core.records import Collection
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    PARTICLES,
    TARGETS,
    TRACKS,
)
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.report import evaluation
from partflow.report.headline import make_headline
from partflow.report.page import build_page
from partflow.report.plots.jets import jet_plots
from partflow.report.style import drawing, lay_out, looks, save
from partflow.report.terminal import jet_table

QUICK = EvaluationConfig(num_replicas=10)
EVIL = '<script>alert("1")</script>&'


class Page(HTMLParser):
    """Tags, attributes and balance of a page."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.sources, self.links, self.ids, self.open = [], [], [], [], []
        self.drawings = 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.drawings += tag == "svg" and attributes.get("role") == "img"
        self.sources += [attributes[k] for k in ("src", "srcset", "data") if k in attributes]
        if "href" in attributes:
            (self.sources if tag == "image" else self.links).append(attributes["href"])
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def evaluator_of(toy):
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    return evaluator


@pytest.fixture(scope="module")
def written(toy_events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    reported = []
    provenance = Provenance("report", {"candidates": [EVIL]}, 7)
    evaluator = evaluator_of(toy_events(60, 21))
    metrics = evaluation.write_evaluation(evaluator, folder, provenance, reported.append)
    return folder, metrics, reported


@pytest.fixture(scope="module")
def page(written):
    return (written[0] / "index.html").read_text(encoding="utf-8")


def test_metrics_on_disk_are_those_returned(written):
    folder, metrics, _ = written
    text = (folder / "metrics.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text) == json.loads(json.dumps(metrics))


def test_every_plot_is_written_as_png_pdf_and_csv(written):
    folder, _, reported = written
    names = {p.stem for p in (folder / "plots").iterdir()}
    assert len(names) >= 15
    for name in names:
        assert (folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "plots" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / "plots" / f"{name}.csv").stat().st_size > 0
    assert {f"plots/{name}" for name in names} | {"metrics.json", "index.html"} == set(reported)


def test_the_csv_of_a_plot_holds_the_numbers_of_the_metrics(written):
    folder, metrics, _ = written
    with (folder / "plots" / "jet_resolution_pt.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["candidates"] == "mlpf"]
    bins = metrics["jets"]["mlpf"]["bins"]
    assert len(rows) == len(bins)
    for row, b in zip(rows, bins, strict=True):
        value = b["iqr_over_median"]
        assert row["iqr_over_median"] == ("" if value is None else repr(value))
        assert int(row["num_gen"]) == b["num_gen"]


def test_the_page_needs_nothing_from_elsewhere(page):
    parsed = Page(page)
    assert parsed.open == []
    assert re.search(r"https?:", page) is None
    assert parsed.drawings >= 15
    assert all(source.startswith("data:image/png;base64,") for source in parsed.sources)
    urls = re.findall(r"url\((?!#)(.{0,30})", page)
    assert urls
    assert all(url.startswith("data:font/woff;base64,") for url in urls)


def test_links_lead_somewhere(page, written):
    folder = written[0]
    parsed = Page(page)
    assert parsed.links
    for link in parsed.links:
        assert link.removeprefix("#") in parsed.ids or (folder / link).is_file()


def test_drawings_of_a_page_share_no_id(page):
    ids = Page(page).ids
    assert len(ids) > 100
    assert len(ids) == len(set(ids))
    for used in re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", page):
        assert "".join(used) in ids


def test_every_candidate_set_can_be_hidden_in_the_plots(page, written):
    names = list(written[1]["jets"])
    switches = re.findall(r'<input type="checkbox" checked value="(set-\d)">', page)
    assert switches == [f"set-{i}" for i in range(len(names))]
    drawings = re.findall(r"<svg role.*?</svg>", page, re.DOTALL)
    for key in switches:
        assert sum(f'class="set {key}"' in drawing for drawing in drawings) >= 5
    assert 'id="set-' not in page


def test_every_drawing_says_where_its_axes_are(page):
    drawings = re.findall(r'data-axes="(.*?)"', page)
    assert len(drawings) >= 15
    for data in drawings:
        for panel in json.loads(html.unescape(data)):
            left, top, right, bottom = panel["box"]
            assert 0 <= left < right
            assert 0 <= top < bottom
            for low, high, scale in (panel["x"], panel["y"]):
                assert low != high
                assert scale in ("linear", "log")


def test_only_the_scripts_of_the_page_may_run(page):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    assert policy.startswith("default-src 'none';")
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_summary_comes_first_and_provenance_last(page):
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[0] == "Summary"
    assert titles[-1] == "Provenance"
    assert {"Jets", "Missing momentum", "Particles", "Processes"} <= set(titles)


def test_names_from_files_are_escaped(toy_events, page):
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    toy = toy_events(10, 22)
    toy.candidates = {EVIL: toy.candidates["mlpf"], "baseline": toy.candidates["baseline"]}
    toy.process[:] = EVIL
    text = build_page(evaluator_of(toy).metrics(), [])
    assert EVIL not in text
    assert Page(text).tags.count("script") == Page(page).tags.count("script") == 2


def test_the_same_plot_gives_the_same_bytes(toy_events, tmp_path):
    made = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        evaluator = evaluator_of(toy_events(20, 23))
        sets = evaluator.evaluated_sets()
        with drawing():
            plots = jet_plots(evaluator.metrics(), sets, looks(evaluator.names), "toys")
            svg = save(next(plots), folder)
        made.append((svg, {file.name: file.read_bytes() for file in folder.iterdir()}))
    assert made[0] == made[1]


def test_a_plot_sent_to_another_process_gives_the_same_bytes(toy_events, tmp_path):
    evaluator = evaluator_of(toy_events(20, 23))
    sets = evaluator.evaluated_sets()
    with drawing():
        plot = next(jet_plots(evaluator.metrics(), sets, looks(evaluator.names), "toys"))
        sent = pickle.loads(pickle.dumps(plot))
        made = []
        for place, one in enumerate((plot, sent)):
            folder = tmp_path / str(place)
            folder.mkdir()
            svg = save(one, folder)
            made.append((svg, {file.name: file.read_bytes() for file in folder.iterdir()}))
    assert made[0] == made[1]


def test_the_same_metrics_give_the_same_page(toy_events):
    metrics = evaluator_of(toy_events(10, 24)).metrics()
    assert build_page(metrics, []) == build_page(json.loads(json.dumps(metrics)), [])


def test_templates_escape_all_data():
    folder = resources.files("partflow.report") / "template"
    templates = [file for file in folder.iterdir() if file.name.endswith(".jinja")]
    assert len(templates) >= 3
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), template.name


def test_a_sample_without_events_gives_a_page_that_says_so(tmp_path, monkeypatch):
    drawn = []

    def draw(plot, folder):  # its files would take a second for each plot
        lay_out(plot.figure)
        plot.figure.draw_without_rendering()
        drawn.append(plot.name)
        return "<svg></svg>"

    monkeypatch.setattr(evaluation, "save", draw)
    nothing = [Collection.empty(schema) for schema in (PARTICLES, TARGETS, TRACKS, CLUSTERS)]
    empty = Collection.empty(CANDIDATES)
    evaluator = Evaluator(QUICK)
    # Names that a plotting library would take for a formula or leave out of a legend.
    evaluator.add(*nothing, {"_my $net$": empty, "baseline": empty}, np.empty(0, dtype=object))
    metrics = evaluation.write_evaluation(evaluator, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "There is nothing to evaluate: the sample holds no event." in page
    assert "nan" not in (tmp_path / "metrics.json").read_text(encoding="utf-8").lower()
    assert len(set(drawn)) == len(drawn) >= 10
    assert len(jet_table(metrics).rows) == 2


# --- headline and table ------------------------------------------------------------------


def jet_entry(width, matched=0.95, relative=None, interval=(None, None)):
    entry = {
        "num_gen": 1000, "matched_fraction": matched,
        "matched_fraction_ci": [matched - 0.01, matched + 0.01], "median": 0.99,
        "iqr_over_median": width, "iqr_over_median_ci": [width - 0.001, width + 0.001],
    }  # fmt: skip
    if relative is not None:
        entry["relative_to_baseline"] = {
            "iqr_over_median": relative, "iqr_over_median_ci": list(interval)
        }  # fmt: skip
    return entry


def headline_of(**jets):
    return make_headline({"num_events": 500, "jets": jets, "config": {"confidence": 0.68}})


def test_a_narrower_response_is_called_narrower():
    headline = headline_of(mlpf=jet_entry(0.04, 0.95, 0.8, (0.75, 0.86)), baseline=jet_entry(0.05))
    assert "20 % (14 to 25 %) narrower than the baseline's" in headline.sentence
    assert not any("not of the same jets" in r for r in headline.remarks)


def test_a_wider_response_is_called_wider():
    headline = headline_of(mlpf=jet_entry(0.06, 0.95, 1.2, (1.1, 1.3)), baseline=jet_entry(0.05))
    assert "20 % (10 to 30 %) wider than the baseline's" in headline.sentence


def test_a_difference_within_its_uncertainty_is_not_called_one():
    headline = headline_of(mlpf=jet_entry(0.049, 0.95, 0.98, (0.9, 1.06)), baseline=jet_entry(0.05))
    assert "about as wide as the baseline's" in headline.sentence
    assert "narrower" not in headline.sentence


def test_a_narrow_response_of_fewer_jets_gives_a_warning():
    headline = headline_of(
        mlpf=jet_entry(0.04, 0.5, 0.8, (0.75, 0.86)), baseline=jet_entry(0.05, 0.95)
    )
    assert any("not of the same jets" in remark for remark in headline.remarks)


def test_without_other_candidates_the_headline_is_about_the_baseline():
    headline = headline_of(baseline=jet_entry(0.05), perfect=jet_entry(0.04, relative=0.8))
    assert headline.sentence.startswith("The jet response of baseline has IQR/median 0.0500")
    assert any("1.25 times as wide" in remark for remark in headline.remarks)


def test_the_headline_gives_the_widths_of_perfect_sharing_where_they_are_known():
    sets = {"baseline": jet_entry(0.05), "perfect": jet_entry(0.04, relative=0.8)}
    headline = headline_of(
        **sets, perfect_sharing=jet_entry(0.042), perfect_sharing_fine=jet_entry(0.041)
    )
    expected = "Perfect sharing has 0.0420 with the final clusters, 0.0410 with the fine clusters."
    assert any(remark.endswith(expected) for remark in headline.remarks)
    assert not any("sharing" in remark for remark in headline_of(**sets).remarks)


def test_the_table_lists_every_set_and_shows_unknown_metrics_as_dashes(written):
    _, metrics, _ = written
    unknown = json.loads(json.dumps(metrics))
    unknown["met"]["mlpf"]["median"] = None
    console = Console(width=120)
    with console.capture() as capture:
        console.print(jet_table(unknown))
    lines = {line.split()[1]: line for line in capture.get().splitlines() if "│" in line}
    assert list(lines) == ["mlpf", "baseline", "perfect", "target"]
    assert f"{metrics['jets']['mlpf']['iqr_over_median']:.4f}" in lines["mlpf"]
    assert "–" in lines["mlpf"]


def test_importing_the_settings_of_an_evaluation_is_cheap():
    code = "from partflow.evaluate import EvaluationConfig; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert not {"torch", "awkward", "fastjet", "matplotlib", "numba"} & set(loaded)
