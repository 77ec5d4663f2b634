"""A scene as a picture of two projections, for print and for readers without scripts."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle

from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON
from partflow.core.records import Array, Collection
from partflow.report.display.marks import Mark, TargetMark
from partflow.report.display.places import Part, detector_parts
from partflow.report.display.scene import DisplayedSet, Scene
from partflow.report.style import BLUE, GREEN, ORANGE, drawing

MISTAKE_COLOUR = "#e00000"
"""Red, which is the colour of no class."""
CLASS_LOOKS = {
    PHOTON: (ORANGE, "o"), NEUTRAL_HADRON: (GREEN, "s"), CHARGED_HADRON: (BLUE, "^"),
    ELECTRON: ("#56b4e9", "p"), MUON: ("#6a3d9a", "h"),
}  # fmt: skip
"""Colour and marker of each class."""
NUM_COLOURS = 256
"""Colours in the palette of a PNG."""
MAX_JUMP = 300.0
"""A track is interrupted where r changes its sign, which is a larger step than this [mm]."""

Projection = Callable[[Array], tuple[Array, Array]]
"""Positions [..., 3] (mm) to two coordinates."""


def project_xy(position: Array) -> tuple[Array, Array]:
    """Coordinates x and y of positions [..., 3] (mm)."""
    return position[..., 0], position[..., 1]


def project_zr(position: Array) -> tuple[Array, Array]:
    """Coordinates z, and r with the sign of y, of positions [..., 3] (mm)."""
    radius = np.hypot(position[..., 0], position[..., 1])
    return position[..., 2], np.where(position[..., 1] < 0, -radius, radius)


def draw_outline(axes_xy: Axes, axes_zr: Axes, parts: Sequence[Part]) -> None:
    """Draw parts of the detector as grey outlines in both projections, and set the axis ranges."""
    for part in parts:
        outlines: list[tuple[Axes, Patch]] = []
        if not part.is_endcap:
            radii = (part.inner_radius, part.outer_radius)
            outlines += [(axes_xy, Circle((0, 0), radius)) for radius in radii]
        depth = part.outer_radius - part.inner_radius
        for side in (1, -1):
            spans = (
                [(end * part.inner_z, end * (part.outer_z - part.inner_z)) for end in (1, -1)]
                if part.is_endcap
                else [(-part.outer_z, 2 * part.outer_z)]
            )
            outlines += [
                (axes_zr, Rectangle((z, side * part.inner_radius), width, side * depth))
                for z, width in spans
            ]
        for axes, outline in outlines:
            outline.set(fill=False, edgecolor="0.75", linewidth=0.8, zorder=0)
            axes.add_patch(outline)
    reach = max(part.outer_radius for part in parts if not part.is_endcap) + 150
    length = max(part.outer_z for part in parts) + 150
    for axes, width in ((axes_xy, reach), (axes_zr, length)):
        axes.set_xlim(-width, width)
        axes.set_ylim(-reach, reach)
        axes.set_aspect("equal")


def draw_hits(
    axes: Axes, project: Projection, hits: Collection, scale: float = 1.0, colour: str = "0.55"
) -> None:
    """Draw hits; their area grows with the root of their energy, and with `scale`."""
    position = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    size = scale * np.clip(12 * np.sqrt(hits.energy_em), 1, 40)
    x, y = project(position)
    axes.scatter(x, y, s=size, c=colour, alpha=0.6, linewidths=0)


def draw_paths(axes: Axes, project: Projection, paths: Array) -> None:
    """Draw tracks through the points `paths` [track, point, 3] (mm) as lines."""
    for path in paths:
        x, y = project(path)
        jump = np.flatnonzero(np.abs(np.diff(y)) > MAX_JUMP) + 1
        axes.plot(np.insert(x, jump, np.nan), np.insert(y, jump, np.nan), color="0.6",
                  linewidth=0.8)  # fmt: skip


def draw_still(scene: Scene) -> bytes:
    """PNG of the event with the particles of the first candidate set, its mistakes in red."""
    with drawing():
        figure = Figure(figsize=(14, 6.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.28))
        parts = [part for part in detector_parts(scene.detector) if part.name != "Yoke"]
        draw_outline(left, right, parts)
        for axes, project in ((left, project_xy), (right, project_zr)):
            draw_hits(axes, project, scene.event.hits)
            draw_paths(axes, project, scene.paths)
            if scene.sets:
                _draw_set(axes, project, scene.sets[0])
        left.set(xlabel="x [mm]", ylabel="y [mm]")
        right.set(xlabel="z [mm]", ylabel="r with the sign of y [mm]")
        name = scene.sets[0].name if scene.sets else "no particles"
        left.set_title(f"{scene.title}: {name}".replace("$", r"\$"), loc="left", fontsize=14)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=7, fontsize=12)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=85, metadata={"Software": None})
    return with_palette(png)


def with_palette(png: io.BytesIO) -> bytes:
    """A PNG with NUM_COLOURS colours, which is a third as large."""
    from PIL import Image

    # Most pixels are grey hits: a palette by frequency (MEDIANCUT) would lose rare class colours.
    picture = Image.open(png).convert("RGB").quantize(NUM_COLOURS, Image.Quantize.MAXCOVERAGE)
    smaller_png = io.BytesIO()
    picture.save(smaller_png, format="PNG", optimize=True)
    return smaller_png.getvalue()


def _draw_set(axes: Axes, project: Projection, displayed: DisplayedSet) -> None:
    """Draw the candidates of one set, and its missed targets as dashed outlines."""
    candidates, marks = displayed.candidates, displayed.marks
    is_wrong = np.isin(marks.of_candidate, (Mark.WRONG_CLASS, Mark.FAKE)) & displayed.is_judged
    is_far = (marks.of_candidate == Mark.ENERGY) & displayed.is_judged
    x, y = project(displayed.position)
    for kind, (colour, marker) in CLASS_LOOKS.items():
        of_class = candidates.pdg_id == kind
        faces = np.where(is_wrong, MISTAKE_COLOUR, colour)[of_class]
        edges = np.where(is_wrong | is_far, MISTAKE_COLOUR, colour)[of_class]
        axes.scatter(
            x[of_class], y[of_class], s=_size(candidates.energy[of_class]), marker=marker, c=faces,
            edgecolors=edges, alpha=0.65, linewidths=1.4, zorder=3,
        )  # fmt: skip
    if displayed.is_judged:
        is_missed = marks.of_target == TargetMark.MISSED
        x, y = project(displayed.target_position[is_missed])
        axes.scatter(
            x, y, s=_size(displayed.targets.energy[is_missed]), facecolors="none",
            edgecolors=MISTAKE_COLOUR, linestyles="dashed", linewidths=1.4, zorder=4,
        )  # fmt: skip


def _size(energy: Array) -> Array:
    """Area of the markers of particles with `energy` [GeV]."""
    return np.clip(30 * np.sqrt(energy), 14, 320)


def _legend() -> list[Line2D]:
    """Entries of the legend: the classes, and the marks of mistakes."""

    def dot(label: str, colour: str, marker: str, filled: str | None = None) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, label=label,
                      markerfacecolor=filled or colour)  # fmt: skip

    names = ("photon", "neutral hadron", "charged hadron", "electron", "muon")
    classes = [dot(name, *look) for name, look in zip(names, CLASS_LOOKS.values(), strict=True)]
    mistakes = [
        dot("fake or wrong class", MISTAKE_COLOUR, "o"),
        dot("missed", MISTAKE_COLOUR, "o", "none"),
    ]
    return classes + mistakes
