"""An evaluation as files: `metrics.json`, the figures in `plots/`, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from partflow.core.provenance import Provenance
from partflow.core.workers import in_processes
from partflow.evaluate.evaluator import Evaluator
from partflow.evaluate.replicas import REPLICAS_FILE, write_replicas
from partflow.report.display.page import display_figure, explanation
from partflow.report.display.scene import Scene
from partflow.report.display.selection import RULE, choose_events
from partflow.report.display.still import draw_still
from partflow.report.formatting import sample_label
from partflow.report.html import Markup, element, join
from partflow.report.page import Picture, build_page
from partflow.report.plots.calibration import calibration_plots
from partflow.report.plots.jets import jet_plots
from partflow.report.plots.masses import flow_plots, mass_plots
from partflow.report.plots.particles import particle_plots
from partflow.report.style import Plot, drawing, looks, save

__all__ = ["METRICS_FILE", "PAGE_FILE", "PLOTS_FOLDER", "Evaluator", "write_evaluation"]

METRICS_FILE, PAGE_FILE, PLOTS_FOLDER = "metrics.json", "index.html", "plots"


def write_evaluation(
    evaluator: Evaluator,
    folder: Path,
    provenance: Provenance | None = None,
    progress: Callable[[str], None] | None = None,
    make_scene: Callable[[int, str], Scene] | None = None,
    readouts: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int = 1,
) -> dict[str, Any]:
    """Write `metrics.json`, `replicas.npz`, `plots/`, `index.html` into `folder`.

    Returns the metrics. `provenance` is shown at the end of the page; `progress` is told the
    name of each part that is done. `make_scene` gives the scene of an event from its number in
    the evaluation and a remark; with it the page shows a typical event, the best and the worst.
    `readouts` says how candidate sets were read out of a network: `kind`, `threshold` and its
    `origin`, where that is known. Intervals are made
    by `workers` threads, the plots' files by as many processes. OSError where the folder cannot be
    written.
    """
    report = progress or (lambda part: None)
    metrics, replicas = evaluator.figures(threads=workers)
    if readouts is not None:
        metrics["readouts"] = {name: dict(readout) for name, readout in readouts.items()}
    content = json.dumps(metrics, indent=1, allow_nan=False)
    (folder / METRICS_FILE).write_text(content + "\n", encoding="utf-8")
    write_replicas(folder / REPLICAS_FILE, replicas)
    report(METRICS_FILE)
    (folder / PLOTS_FOLDER).mkdir(exist_ok=True)
    plots = list(enumerate(_plots(evaluator, metrics)))
    saved = {}
    tasks = [(place, plot, folder / PLOTS_FOLDER) for place, plot in plots]
    for place, svg in in_processes(_save, tasks, workers):
        saved[place] = svg
        report(f"{PLOTS_FOLDER}/{plots[place][1].name}")
    pictures = [
        Picture(plot.name, plot.title, plot.caption, saved[place], plot.key)
        for place, plot in plots
    ]
    displays = Markup()
    if make_scene is not None and evaluator.names:
        displays = _displays(evaluator, make_scene, folder / PLOTS_FOLDER)
        report("displays")
    page = build_page(metrics, pictures, provenance, PLOTS_FOLDER, displays)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    report(PAGE_FILE)
    return metrics


def _save(place: int, plot: Plot, folder: Path) -> tuple[int, str]:
    """A figure's files, in this process or another; its place, to be known by, and its SVG."""
    with drawing():
        return place, save(plot, folder)


def _displays(
    evaluator: Evaluator, make_scene: Callable[[int, str], Scene], folder: Path
) -> Markup:
    """Events chosen by their jets, as displays; a PNG of each goes into `folder`."""
    name = evaluator.names[0]
    figures = []
    for choice in choose_events(evaluator.judged(name).jets, evaluator.num_events, name):
        scene = make_scene(choice.number, choice.remark)
        still = draw_still(scene)
        (folder / f"display_{choice.number}.png").write_bytes(still)
        figures.append(display_figure(scene, f"event-{choice.number}", still))
    return (
        join([element("p", RULE, class_="note"), explanation(), *figures]) if figures else Markup()
    )


def _plots(evaluator: Evaluator, metrics: Mapping[str, Any]) -> Iterator[Plot]:
    judged = {name: evaluator.judged(name) for name in evaluator.names}
    arguments = (judged, looks(evaluator.names), sample_label(metrics))
    with drawing():
        yield from jet_plots(metrics, *arguments)
        yield from mass_plots(metrics, *arguments)
        yield from particle_plots(metrics, *arguments)
        yield from flow_plots(metrics["energy_flow"], *arguments[1:])
        yield from calibration_plots(metrics["calibration"], *arguments[1:])
