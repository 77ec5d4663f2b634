"""Style of the plots: one colour per candidate set, one layout, and the files of each plot."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure

from partflow.core.candidate_sets import (
    BASELINE,
    PERFECT,
    SHARING,
    SHARING_FINE,
    TARGET,
)
from partflow.core.records import Array

# The palette of Okabe and Ito (2008), whose colours colour-blind readers can distinguish.
BLUE, VERMILION, PURPLE, SKY = "#0072b2", "#d55e00", "#cc79a7", "#56b4e9"
ORANGE, GREEN, GREY = "#e69f00", "#009e73", "#4d4d4d"
BROWN = "#8c510a"  # not of the palette: darker than all its colours
USER_COLOURS = (BLUE, VERMILION, PURPLE, SKY)
"""Colours of the candidate sets that are no references."""

MAX_LABEL_LENGTH = 40
"""Longest sample label above a plot, in characters: what fits next to the package's name."""
POINTS_PER_INCH = 72  # the unit of an SVG by matplotlib

OVERRIDES = {
    "figure.figsize": (7.2, 5.6),
    "figure.dpi": 100,
    "savefig.dpi": 120,
    "savefig.transparent": False,
    "savefig.bbox": None,
    "font.size": 15,
    "axes.labelsize": 16,
    "axes.linewidth": 1.2,
    "axes.titley": 1.0,  # where ticks point inwards; otherwise looked for at each drawing
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "svg.hashsalt": "partflow",  # the same figure gives the same bytes
    "svg.fonttype": "none",  # text stays text, in fonts that the page contains
    "pdf.fonttype": 42,
}
"""Settings of matplotlib on top of the CMS style of mplhep."""


@dataclass(frozen=True)
class Look:
    """How one candidate set is drawn, the same in all plots."""

    colour: str
    line: str
    """Line style of matplotlib."""
    marker: str
    key: str = ""
    """Id of the set's lines in a drawing, by which a page hides them."""
    band: float = 0.22
    """Opacity of the bands of its uncertainties; less for the ceilings, which overlap."""


@dataclass(frozen=True)
class Plot:
    """A figure with its title, caption and the numbers in it."""

    name: str
    """Name of its files; the part before the first underscore is its section of the page."""
    title: str
    caption: str
    figure: Figure
    columns: Mapping[str, Array | Sequence[Any]]
    """The numbers drawn, as columns of equal length."""
    key: str = ""
    """`Look.key` of the candidate set, if the whole figure is of one set."""


def looks(names: Sequence[str]) -> dict[str, Look]:
    """How each of the candidate sets `names` is drawn; a reference looks the same in all reports.

    >>> looks(["mlpf", "baseline"])["mlpf"].key
    'set-0'
    """
    references = {
        BASELINE: Look(GREY, "-", "s"),
        PERFECT: Look(ORANGE, "--", "^", band=0.1),
        SHARING: Look(BROWN, "-.", "<", band=0.1),
        SHARING_FINE: Look(BROWN, ":", ">", band=0.1),
        TARGET: Look(GREEN, ":", "v", band=0.1),
    }
    user_sets = [name for name in names if name not in references]
    markers = "oDPX"
    of_user = {
        name: Look(USER_COLOURS[i % len(USER_COLOURS)], "-", markers[i % len(markers)])
        for i, name in enumerate(user_sets)
    }
    return {
        name: replace(references.get(name) or of_user[name], key=f"set-{place}")
        for place, name in enumerate(names)
    }


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """A context with the style of the plots, in which figures are made and saved."""
    with mpl.rc_context():
        mplhep.style.use([mplhep.style.CMS, OVERRIDES])
        yield


def new_figure(height: float = 1.0, width: float = 1.0) -> Figure:
    """An empty figure; `height` and `width` in units of the default size."""
    default_width, default_height = mpl.rcParams["figure.figsize"]
    return Figure(figsize=(default_width * width, default_height * height), layout="constrained")


def plain_text(name: str) -> str:
    r"""A user's name such that matplotlib shows it literally: neither as formula nor hidden.

    >>> print(plain_text("$a_b$"), plain_text("_mine"))
    \$a_b\$  _mine
    """
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def stamp(axes: Axes, sample_label: str) -> None:
    """Write the package and the sample above the axes.

    A long label is cut at its beginning; its end is the number of events.
    """
    if len(sample_label) > MAX_LABEL_LENGTH:
        sample_label = "…" + sample_label[1 - MAX_LABEL_LENGTH :]
    axes.set_title(r"$\bf{partflow}$ $\it{Simulation}$", loc="left", fontsize=15)
    axes.set_title(plain_text(sample_label), loc="right", fontsize=13)


def legend_below(figure: Figure, axes: Axes, title: str | None = None) -> None:
    """Draw the legend of `axes` below all panels, where it covers no data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, title=title, title_fontsize=12
        )


def lay_out(figure: Figure) -> None:
    """Set the positions of all parts once, instead of whenever a file is written."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def save(plot: Plot, folder: Path) -> str:
    """Write the plot into `folder` as PNG and PDF, and its numbers as CSV; return it as SVG."""
    _name_legend_entries(plot.figure)
    lay_out(plot.figure)
    for suffix in ("png", "pdf"):
        metadata = {"CreationDate": None} if suffix == "pdf" else {}
        plot.figure.savefig(folder / f"{plot.name}.{suffix}", metadata=metadata)
    with (folder / f"{plot.name}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(plot.columns)
        writer.writerows(zip(*plot.columns.values(), strict=True))
    svg = io.StringIO()
    plot.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return svg.getvalue().replace("<svg ", f"<svg data-axes='{_axes_data(plot.figure)}' ", 1)


def _name_legend_entries(figure: Figure) -> None:
    """Give each entry of a legend the id of the candidate set that it describes."""
    panels = [axes.get_legend_handles_labels() for axes in figure.axes]
    ids = {
        label: next((part.get_gid() for part in _artists(handle) if part.get_gid()), None)
        for handles, labels in panels
        for handle, label in zip(handles, labels, strict=True)
    }
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    for legend in filter(None, legends):
        for entry, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            name = ids.get(text.get_text())
            if name and entry is not None:
                entry.set_gid(name)
                text.set_gid(name)


def _artists(handle: Artist | Container) -> list[Artist]:
    """The artists that a legend handle consists of."""
    return [handle] if isinstance(handle, Artist) else list(handle.get_children())


def _axes_data(figure: Figure) -> str:
    """Position of each panel in the drawing [pt, from the top] and its axis ranges, as JSON."""
    height = figure.get_figheight() * POINTS_PER_INCH
    panels = []
    for axes in figure.axes:
        if not axes.axison:
            continue
        box = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        left, top, right, bottom = (v * POINTS_PER_INCH for v in (box.x0, box.y1, box.x1, box.y0))
        panels.append({
            "box": [round(v, 2) for v in (left, height - top, right, height - bottom)],
            "x": [*map(float, axes.get_xlim()), axes.get_xscale()],
            "y": [*map(float, axes.get_ylim()), axes.get_yscale()],
        })  # fmt: skip
    return json.dumps(panels)
