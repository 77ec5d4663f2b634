"""Displays of one particle in both engines, next to each other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.records import Array, Collection, Events
from partflow.core.store import read_row_group
from partflow.report.display.places import detector_parts, track_paths
from partflow.report.display.still import (
    Projection,
    draw_hits,
    draw_outline,
    draw_paths,
    project_xy,
    project_zr,
    with_palette,
)
from partflow.report.style import BLUE, VERMILION, drawing
from partflow.simulate import simulate
from partflow.validate.comparison.groups import ShowerGroup
from partflow.validate.comparison.shower_quantities import is_counted
from partflow.validate.comparison.simulation import Chunk, of_process

PREFERRED_ENERGY = 10.0
"""The displayed particles of each kind have the energy nearest to this one [GeV]."""
MARGIN, HIT_SCALE = 80.0, 5.0
"""Space around the hits [mm], and size of their markers."""

HIT_COLOURS = {ECAL: BLUE, HCAL: VERMILION}
"""Colours of the hits by subdetector."""


class DisplayedParticle(NamedTuple):
    """One particle in both engines."""

    title: str
    reference: Events
    fast: Events
    """Both with hits and tracks."""


def choose_group(groups: Sequence[ShowerGroup]) -> ShowerGroup:
    """The group whose particle is displayed, of those of one section."""

    def distance(group: ShowerGroup) -> float:
        """Distance of the energy from PREFERRED_ENERGY, in its logarithm."""
        return float(np.abs(np.log(np.median(group.reference.energy) / PREFERRED_ENERGY)))

    return min(groups, key=distance)


def displayed_particle(
    group: ShowerGroup, chunks: Sequence[Chunk], detector: Detector
) -> DisplayedParticle:
    """The first particle of the group that showers in both engines, else the first one.

    `chunks` are all chunks of the sample of the group, in their order.
    """
    both = is_counted(group.reference) & is_counted(group.fast)
    number = int(group.reference.event[np.argmax(both)])
    row = number
    for chunk in chunks:
        if row < chunk.num_events:
            break
        row -= chunk.num_events
    read = read_row_group(chunk.file, chunk.row_group, "events", ["particles", "hits", "tracks"])
    stored = of_process(read, chunk.sample.process)[row : row + 1]
    simulated = simulate(stored.particles, stored.event_id, detector, chunk.reference.config)
    fast = replace(
        stored,
        collections={
            "particles": stored.particles, "hits": simulated.hits, "tracks": simulated.tracks
        },
    )  # fmt: skip
    energy = float(stored.particles.energy[0])
    title = f"{group.section}: {energy:.3g} GeV, event {stored.event_id[0]}"
    return DisplayedParticle(title, stored, fast)


def draw_particle(displayed: DisplayedParticle, detector: Detector, label: str) -> bytes:
    """PNG of the hits of a particle in both engines (columns) and two projections (rows).

    `label` names the engine of the reference.
    """
    events = (displayed.reference, displayed.fast)
    with drawing():
        figure = Figure(figsize=(13, 11), layout="constrained")
        grid = figure.subplots(2, 2)
        parts = [part for part in detector_parts(detector) if part.name != "Yoke"]
        for column, (event, name) in enumerate(zip(events, (label, "fast"), strict=True)):
            hits = _calorimeter_hits(event)
            draw_outline(grid[0, column], grid[1, column], parts)
            for row, project in enumerate((project_xy, project_zr)):
                axes = grid[row, column]
                for part, colour in HIT_COLOURS.items():
                    of_part = hits.select(hits.subdetector == part)
                    draw_hits(axes, project, of_part, HIT_SCALE, colour)
                draw_paths(axes, project, track_paths(event.tracks))
                _zoom(axes, project, [_calorimeter_hits(e) for e in events])
            energy = float(hits.energy_em.sum())
            grid[0, column].set_title(
                f"{name}: {len(hits)} hits, {energy:.2f} GeV", loc="left", fontsize=15
            )
            grid[0, column].set(xlabel="x [mm]", ylabel="y [mm]")
            grid[1, column].set(xlabel="z [mm]", ylabel="r with the sign of y [mm]")
        figure.suptitle(displayed.title, fontsize=16)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=75, metadata={"Software": None})
    return with_palette(png)


def _calorimeter_hits(event: Events) -> Collection:
    """Hits of ECAL and HCAL."""
    return event.hits.select(event.hits.subdetector <= HCAL)


def _zoom(axes: Axes, project: Projection, of_engines: Sequence[Collection]) -> None:
    """Limit the axes to a square around the central 99 % of the hits of both engines."""
    points = np.concatenate(
        [np.stack(project(_positions(hits)), axis=1) for hits in of_engines], axis=0
    )
    if not len(points):
        return
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    centre, half = (low + high) / 2, float(np.max(high - low)) / 2 + MARGIN
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)


def _positions(hits: Collection) -> Array:
    """Positions of hits [hit, 3] (mm)."""
    return np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
