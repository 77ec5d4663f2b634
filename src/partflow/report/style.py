"""How figures look: one colour per candidate set, the field's style, three files per figure."""

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

# The palette of Okabe and Ito (2008), which the colour-blind can tell apart.
BLUE, VERMILION, PURPLE, SKY = "#0072b2", "#d55e00", "#cc79a7", "#56b4e9"
ORANGE, GREEN, GREY = "#e69f00", "#009e73", "#4d4d4d"
BROWN = "#8c510a"  # not of the palette: darker than all of it but the grey
OWN_COLOURS = (BLUE, VERMILION, PURPLE, SKY)

LONGEST_STAMP = 40  # characters, beside the name of this package
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
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "svg.hashsalt": "partflow",  # the same figure gives the same bytes
    "svg.fonttype": "none",  # text, which a reader can search and a page need not draw
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Look:
    """How one candidate set is drawn, in every figure."""

    colour: str
    line: str
    marker: str
    key: str = ""
    """What the set's lines are called in a drawing, so that a page can switch them off."""
    band: float = 0.22
    """Opacity of its intervals; the ceilings' are many and lie on one another."""


@dataclass(frozen=True)
class Plot:
    """A figure, what it says, and the numbers in it."""

    name: str
    """Name of its files."""
    title: str
    caption: str
    figure: Figure
    columns: Mapping[str, Array | Sequence[Any]]
    """The numbers drawn, column by column, of equal length."""
    key: str = ""
    """`Look.key` of the candidate set that the whole figure is of, if it is of one."""


def looks(names: Sequence[str]) -> dict[str, Look]:
    """How each of the candidate sets `names` is drawn; the references always look the same."""
    references = {
        BASELINE: Look(GREY, "-", "s"),
        PERFECT: Look(ORANGE, "--", "^", band=0.1),
        SHARING: Look(BROWN, "-.", "<", band=0.1),
        SHARING_FINE: Look(BROWN, ":", ">", band=0.1),
        TARGET: Look(GREEN, ":", "v", band=0.1),
    }
    own = [name for name in names if name not in references]
    markers = "oDPX"
    chosen = {
        name: Look(OWN_COLOURS[i % len(OWN_COLOURS)], "-", markers[i % len(markers)])
        for i, name in enumerate(own)
    }
    return {
        name: replace(references.get(name) or chosen[name], key=f"set-{place}")
        for place, name in enumerate(names)
    }


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """The style, while figures are made and saved."""
    with mpl.rc_context():
        mplhep.style.use([mplhep.style.CMS, OVERRIDES])
        yield


def new_figure(height: float = 1.0, width: float = 1.0) -> Figure:
    """An empty figure; `height` and `width` in units of the usual ones."""
    usual_width, usual_height = mpl.rcParams["figure.figsize"]
    return Figure(figsize=(usual_width * width, usual_height * height), layout="constrained")


def plain(name: str) -> str:
    r"""A user's name as a figure may show it: no formula, and not hidden from the legend.

    >>> print(plain("$a_b$"), plain("_mine"))
    \$a_b\$  _mine
    """
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def stamp(axes: Axes, sample: str) -> None:
    """Who made the figure, of what sample, above the axes; of a long name the end is kept.

    The end says how many events there are.
    """
    if len(sample) > LONGEST_STAMP:
        sample = "…" + sample[1 - LONGEST_STAMP :]
    axes.set_title(r"$\bf{partflow}$ $\it{Simulation}$", loc="left", fontsize=15)
    axes.set_title(plain(sample), loc="right", fontsize=13)


def legend_below(figure: Figure, axes: Axes, title: str | None = None) -> None:
    """The names of what `axes` show under the panels, where they hide nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, title=title, title_fontsize=12
        )


def save(plot: Plot, folder: Path) -> str:
    """Write the figure as PNG and PDF, and its numbers as CSV; returns it as SVG."""
    _name_legends(plot.figure)
    plot.figure.draw_without_rendering()
    plot.figure.set_layout_engine("none")  # laid out once, not for each of three files
    for suffix in ("png", "pdf"):
        metadata = {"CreationDate": None} if suffix == "pdf" else {}
        plot.figure.savefig(folder / f"{plot.name}.{suffix}", metadata=metadata)
    with (folder / f"{plot.name}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(plot.columns)
        writer.writerows(zip(*plot.columns.values(), strict=True))
    drawn = io.StringIO()
    plot.figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue().replace("<svg ", f"<svg data-axes='{_axes_data(plot.figure)}' ", 1)


def _name_legends(figure: Figure) -> None:
    """Give the entries of legends the name of what they stand for."""
    panels = [axes.get_legend_handles_labels() for axes in figure.axes]
    names = {
        label: next((part.get_gid() for part in _parts(handle) if part.get_gid()), None)
        for handles, labels in panels
        for handle, label in zip(handles, labels, strict=True)
    }
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    for legend in filter(None, legends):
        for drawn, label in zip(legend.legend_handles, legend.get_texts(), strict=True):
            name = names.get(label.get_text())
            if name and drawn is not None:
                drawn.set_gid(name)
                label.set_gid(name)


def _parts(handle: Artist | Container) -> list[Artist]:
    return [handle] if isinstance(handle, Artist) else list(handle.get_children())


def _axes_data(figure: Figure) -> str:
    """Where each panel is in the drawing [pt, from the top], and what its axes span, as JSON."""
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
