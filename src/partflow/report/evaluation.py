"""An evaluation as files: `metrics.json`, the replicas, the plots in `plots/`, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from partflow.core.provenance import Provenance
from partflow.core.workers import in_processes
from partflow.evaluate.evaluated_set import EvaluatedSet
from partflow.evaluate.evaluator import Evaluator
from partflow.evaluate.replicas import REPLICAS_FILE, write_replicas
from partflow.report.display.page import EventView, view_event
from partflow.report.display.scene import Scene
from partflow.report.display.selection import SELECTION, select_events
from partflow.report.display.still import draw_still
from partflow.report.formatting import sample_label
from partflow.report.page import SavedPlot, build_page
from partflow.report.plots.calibration import calibration_plots
from partflow.report.plots.corrections import correction_plots
from partflow.report.plots.jets import jet_plots
from partflow.report.plots.masses import mass_plots
from partflow.report.plots.matrices import flow_plots
from partflow.report.plots.particles import particle_plots
from partflow.report.style import Plot, drawing, looks, save

METRICS_FILE, PAGE_FILE, PLOTS_FOLDER = "metrics.json", "index.html", "plots"


def write_evaluation(
    evaluator: Evaluator,
    folder: Path,
    provenance: Provenance | None = None,
    progress: Callable[[str], None] | None = None,
    make_scene: Callable[[int, str], Scene] | None = None,
    readouts: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int = 1,
    warning: str = "",
    plots: bool = True,
) -> dict[str, Any]:
    """Write `metrics.json`, `replicas.npz`, `plots/` and `index.html`; return the metrics.

    Args:
        evaluator: Evaluator with all events.
        folder: Folder to write into.
        provenance: Provenance of the report, shown at the end of the page.
        progress: Called with the name of each part when it is written.
        make_scene: Makes the scene of an event from its number in the evaluation and a remark;
            with it the page shows a typical event, the best and the worst.
        readouts: `kind`, `threshold` and its `origin` of candidate sets read out of a network.
        workers: Number of threads for the intervals, and of processes for the plots.
        warning: What the reader must know about the events, shown at the top of the page.
        plots: Draw plots and event displays; without them the page has the tables alone.

    Raises:
        OSError: The folder cannot be written.
    """
    report = progress or (lambda part: None)
    metrics, replicas = evaluator.metrics_and_replicas(threads=workers)
    if readouts is not None:
        metrics["readouts"] = {name: dict(readout) for name, readout in readouts.items()}
    content = json.dumps(metrics, indent=1, allow_nan=False)
    (folder / METRICS_FILE).write_text(content + "\n", encoding="utf-8")
    write_replicas(folder / REPLICAS_FILE, replicas)
    report(METRICS_FILE)
    sets = evaluator.evaluated_sets() if plots else {}
    drawn = list(_plots(sets, metrics)) if plots else []
    saved = _save_plots(drawn, folder / PLOTS_FOLDER, report, workers)
    events = []
    if make_scene is not None and sets:
        events = _displays(sets, evaluator.num_events, make_scene, folder / PLOTS_FOLDER)
        report("displays")
    page = build_page(metrics, saved, provenance, PLOTS_FOLDER, events, SELECTION, warning)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    report(PAGE_FILE)
    return metrics


def _plots(sets: Mapping[str, EvaluatedSet], metrics: Mapping[str, Any]) -> Iterator[Plot]:
    """All plots of an evaluation, in the order of the page."""
    look, label = looks(list(sets)), sample_label(metrics)
    with drawing():
        yield from jet_plots(metrics, sets, look, label)
        yield from correction_plots(metrics["jets"], look, label)
        yield from mass_plots(metrics, sets, look, label)
        yield from particle_plots(metrics, sets, look, label)
        yield from flow_plots(metrics["energy_flow"], look, label)
        yield from calibration_plots(metrics["calibration"], look, label)


def _save_plots(
    plots: list[Plot], folder: Path, report: Callable[[str], None], workers: int
) -> list[SavedPlot]:
    """Write the files of the plots into `folder`, by `workers` processes."""
    if plots:
        folder.mkdir(exist_ok=True)
    svgs = [""] * len(plots)
    tasks = [(place, plot, folder) for place, plot in enumerate(plots)]
    for place, svg in in_processes(_save_plot, tasks, workers):
        svgs[place] = svg
        report(f"{PLOTS_FOLDER}/{plots[place].name}")
    return [
        SavedPlot(plot.name, plot.title, plot.caption, svg, plot.key)
        for plot, svg in zip(plots, svgs, strict=True)
    ]


def _save_plot(place: int, plot: Plot, folder: Path) -> tuple[int, str]:
    """Write the files of one plot, in any process; returns its place and its SVG."""
    with drawing():
        return place, save(plot, folder)


def _displays(
    sets: Mapping[str, EvaluatedSet], num_events: int, make_scene: Callable[[int, str], Scene],
    folder: Path,
) -> list[EventView]:  # fmt: skip
    """Displays of events selected by the jets of the first candidate set, and a PNG of each."""
    name = next(iter(sets))
    views = []
    for selected in select_events(sets[name].jets, num_events, name):
        scene = make_scene(selected.number, selected.remark)
        still = draw_still(scene)
        (folder / f"display_{selected.number}.png").write_bytes(still)
        views.append(view_event(scene, f"event-{selected.number}", still))
    return views
