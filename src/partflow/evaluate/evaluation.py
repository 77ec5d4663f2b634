"""An evaluation as files: `metrics.json`, the figures in `plots/`, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from partflow.core.provenance import Provenance
from partflow.evaluate.evaluator import Evaluator
from partflow.evaluate.jet_plots import jet_plots
from partflow.evaluate.particle_plots import particle_plots
from partflow.evaluate.replicas import REPLICAS_FILE, write_replicas
from partflow.evaluate.report import Picture, build_page
from partflow.evaluate.style import Plot, drawing, looks, save
from partflow.evaluate.words import sample_label

__all__ = ["METRICS_FILE", "PAGE_FILE", "PLOTS_FOLDER", "Evaluator", "write_evaluation"]

METRICS_FILE, PAGE_FILE, PLOTS_FOLDER = "metrics.json", "index.html", "plots"


def write_evaluation(
    evaluator: Evaluator,
    folder: Path,
    provenance: Provenance | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write `metrics.json`, `replicas.npz`, `plots/`, `index.html` into `folder`.

    Returns the metrics. `provenance` is shown at the end of the page; `progress` is told the
    name of each part that is done. OSError where the folder cannot be written.
    """
    report = progress or (lambda part: None)
    metrics, replicas = evaluator.figures()
    content = json.dumps(metrics, indent=1, allow_nan=False)
    (folder / METRICS_FILE).write_text(content + "\n", encoding="utf-8")
    write_replicas(folder / REPLICAS_FILE, replicas)
    report(METRICS_FILE)
    (folder / PLOTS_FOLDER).mkdir(exist_ok=True)
    pictures = []
    for plot in _plots(evaluator, metrics):
        svg = save(plot, folder / PLOTS_FOLDER)
        pictures.append(Picture(plot.name, plot.title, plot.caption, svg))
        report(f"{PLOTS_FOLDER}/{plot.name}")
    page = build_page(metrics, pictures, provenance, PLOTS_FOLDER)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    report(PAGE_FILE)
    return metrics


def _plots(evaluator: Evaluator, metrics: Mapping[str, Any]) -> Iterator[Plot]:
    judged = {name: evaluator.judged(name) for name in evaluator.names}
    arguments = (judged, looks(evaluator.names), sample_label(metrics))
    with drawing():
        yield from jet_plots(metrics, *arguments)
        yield from particle_plots(metrics, *arguments)
