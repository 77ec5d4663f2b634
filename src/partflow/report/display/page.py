"""Events on a page: the display, the jets of each candidate set, and its mistakes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from partflow.report.display.marks import Mark, TargetMark
from partflow.report.display.payload import to_json
from partflow.report.display.scene import DisplayedSet, Scene, Total
from partflow.report.document import render_page
from partflow.report.formatting import NOTHING, decimal
from partflow.report.tables import Cell, Table, make_table


class EventView(NamedTuple):
    """One event as a template shows it."""

    identifier: str
    """Id of the display in the page."""
    heading: str
    """Heading of its section; empty for none."""
    title: str
    caption: str
    description: str
    """Text for readers who cannot see the picture."""
    still: str
    """PNG in base64, for readers without scripts."""
    data: Markup
    """JSON that the viewer reads."""
    jets: Table
    mistakes: Table


def build_display_page(scenes: Sequence[Scene], stills: Sequence[bytes], warning: str = "") -> str:
    """A page with the displays of one or more events, as HTML.

    `stills` holds a PNG of each scene; a `warning` about the events is shown at the top.
    """
    is_single = len(scenes) == 1
    events = [
        view_event(scene, f"event-{i}", still, "" if is_single else f"Event {scene.number}")
        for i, (scene, still) in enumerate(zip(scenes, stills, strict=True))
    ]
    detector = scenes[0].detector
    names = ", ".join(displayed.name for displayed in scenes[0].sets)
    return render_page(
        "event_displays.html.jinja",
        warning=warning,
        title=scenes[0].title if is_single else f"{len(scenes)} events",
        kind="event display",
        sample=f"{detector.name.upper()}, {detector.magnetic_field:g} T: {names}",
        fonts="",
        events=events,
    )


def view_event(scene: Scene, identifier: str, still: bytes, heading: str = "") -> EventView:
    """An event as data of a template; `still` is a PNG of the scene."""
    event = scene.event
    contents = (
        f"{len(event.hits)} hits, {len(event.tracks)} tracks, {len(event.clusters)} clusters, "
        f"{len(scene.gen_jets)} generator jets"
    )
    return EventView(
        identifier,
        heading,
        scene.title,
        caption=f"{scene.remark}; {contents}." if scene.remark else f"{contents}.",
        description=f"Event {scene.number} in the x-y and z-r projections: {contents}",
        still=base64.b64encode(still).decode(),
        data=to_json(scene),
        jets=jet_table(scene),
        mistakes=mistake_table(scene),
    )


def jet_table(scene: Scene) -> Table:
    """Generator jets, and the nearest jet of each candidate set."""
    rows: list[list[Cell | str | int]] = [
        [
            f"{i + 1}",
            decimal(gen_pt, 1),
            decimal(float(scene.gen_jets.eta[i]), 2),
            decimal(float(scene.gen_jets.phi[i]), 2),
            *(_jet_cell(float(displayed.jet_pt[i]), gen_pt) for displayed in scene.sets),
        ]
        for i, gen_pt in enumerate(scene.gen_jets.pt.tolist())
    ]
    headings = ["jet", "pT [GeV]", "η", "φ", *(displayed.name for displayed in scene.sets)]
    caption = "Generator jets; pT of each set's nearest jet [GeV], and its ratio to the generated"
    return make_table(headings, rows, caption)


def mistake_table(scene: Scene) -> Table:
    """Numbers and energies of the mistakes in each candidate set."""
    return make_table(
        ["", "particles", "missed", "fake", "wrong class", "wrong energy", "sum"],
        [_mistakes(displayed) for displayed in scene.sets],
        "Number and energy [GeV] of each kind of mistake",
    )


def _mistakes(displayed: DisplayedSet) -> list[Cell | str | int]:
    """A row of the table of mistakes."""
    candidates = displayed.candidates
    energy_sum = f"{candidates.energy.sum():.1f}"
    if not displayed.is_judged:
        return [displayed.name, len(candidates), *[NOTHING] * 4, energy_sum]
    marks = (Mark.FAKE, Mark.WRONG_CLASS, Mark.ENERGY)
    return [
        displayed.name,
        len(candidates),
        _total_cell(displayed.targets_with(TargetMark.MISSED)),
        *(_total_cell(displayed.candidates_with(mark)) for mark in marks),
        energy_sum,
    ]


def _total_cell(total: Total) -> Cell:
    """A number of particles with their energy below."""
    return Cell(str(total.number), f"{total.energy:.1f}")


def _jet_cell(pt: float, gen_pt: float) -> Cell:
    """The pt of a jet with its response below; a dash without a jet."""
    return Cell(NOTHING) if np.isnan(pt) else Cell(f"{pt:.1f}", f"{pt / gen_pt:.3f}")
