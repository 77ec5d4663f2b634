"""The page of a search: headline, plots, best settings, table of trials, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from partflow.core.outputs import write_text
from partflow.report.document import render_page
from partflow.report.fonts import font_faces
from partflow.report.formatting import NOTHING, decimal
from partflow.report.page import PagePlot
from partflow.report.style import drawing, save
from partflow.report.svg import svg_drawing
from partflow.report.tables import Table, make_table
from partflow.train.configuration import Configuration
from partflow.tune.plots import study_plots
from partflow.tune.results import (
    BEST_FILE,
    PAGE_FILE,
    PLOTS_FOLDER,
    TABLE_FILE,
    TrialRow,
    best_row,
    searched_names,
)
from partflow.tune.space import settings


def write_page(
    folder: Path, rows: Sequence[TrialRow], base: Configuration, label: str, provenance: str
) -> None:
    """Write `index.html` and the files of its plots.

    Args:
        folder: Folder of the study.
        rows: Its trials.
        base: The configuration that the search starts from.
        label: Name of the data.
        provenance: Provenance as text, shown at the end.
    """
    (folder / PLOTS_FOLDER).mkdir(exist_ok=True)
    plots = {}
    with drawing():
        for number, plot in enumerate(study_plots(rows, label)):
            svg = save(plot, folder / PLOTS_FOLDER)
            picture = svg_drawing(svg, f"f{number}", plot.title)
            plots[plot.name] = PagePlot(plot.name, plot.title, plot.caption, plot.key, picture)
    page = render_page(
        "study.html.jinja",
        title="Search for hyperparameters",
        kind="search",
        sample=f"{label}: {len(rows)} trials",
        fonts=font_faces(plot.svg for plot in plots.values()),
        sentence=sentence(rows),
        plots=plots,
        plots_folder=PLOTS_FOLDER,
        settings=settings_table(rows, base),
        trials=trial_table(rows),
        failures=failure_table(rows),
        best_file=BEST_FILE,
        table_file=TABLE_FILE,
        provenance=provenance,
    )
    write_text(folder / PAGE_FILE, page)


def sentence(rows: Sequence[TrialRow]) -> str:
    """The result in one sentence."""
    best = best_row(rows)
    if best is None or best.validation_loss is None:
        return "No trial is complete."
    if best.is_default:
        return (
            f"No trial is better than the configuration that the search started from, with a "
            f"validation loss of {best.validation_loss:.4f}."
        )
    result = f"Trial {best.number} has the lowest validation loss, {best.validation_loss:.4f}"
    default = next((row for row in rows if row.is_default and row.state == "complete"), None)
    if default is None or not default.validation_loss:
        return result + "."
    lower = 100 * (1 - best.validation_loss / default.validation_loss)
    return (
        f"{result}: {lower:.1f} % lower than that of the configuration that the search started "
        f"from, {default.validation_loss:.4f}."
    )


def settings_table(rows: Sequence[TrialRow], base: Configuration) -> Table:
    """The searched settings of the best trial, and those that the search started from."""
    best = best_row(rows)
    chosen = {} if best is None else best.values
    start = settings(base)
    lines = [
        [name, _text(start[name]), _text(chosen.get(name, start[name]))]
        for name in searched_names(rows)
    ]
    return make_table(["", "to start from", "best trial"], lines, "Settings")


def trial_table(rows: Sequence[TrialRow]) -> Table:
    """All trials, that with the lowest loss first."""
    names = searched_names(rows)
    ranks = ["complete", "pruned", "running", "waiting", "failed"]

    def order(row: TrialRow) -> tuple[Any, ...]:
        loss = row.validation_loss
        return ranks.index(row.state), float("inf") if loss is None else loss, row.number

    headings = ["trial", "validation loss", "state", "budget [%]", "parameters", "minutes"]
    lines = [
        [
            f"{row.number} (to start from)" if row.is_default else str(row.number),
            decimal(row.validation_loss, 4),
            row.state,
            str(row.percent),
            NOTHING if row.num_parameters is None else f"{row.num_parameters:,}",
            decimal(row.minutes, 2),
            *(_text(row.values[name]) if name in row.values else NOTHING for name in names),
        ]
        for row in sorted(rows, key=order)
    ]
    caption = "Trials; pruned ones were ended early, with the loss that they had then"
    return make_table([*headings, *(name.split(".", 1)[1] for name in names)], lines, caption)


def failure_table(rows: Sequence[TrialRow]) -> Table | None:
    """Why trials failed; None if none did."""
    failed = [[str(row.number), row.reason] for row in rows if row.state == "failed"]
    return make_table(["trial", "reason"], failed, "Trials that failed") if failed else None


def _text(value: Any) -> str:
    """A setting in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
