"""Events on a page: the display, what was found of the jets, and what went wrong."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from partflow.report.display.marks import Mark, TargetMark
from partflow.report.display.payload import to_json
from partflow.report.display.scene import Count, DisplayedSet, Scene
from partflow.report.document import Section, build_document
from partflow.report.formatting import NOTHING, decimal
from partflow.report.html import Markup, element, join, table

HELP = (
    "Drag to turn, Shift and drag to move, click and scroll or pinch to zoom, double click to "
    "reset. By keys: arrows, + and −, N and P from particle to particle, digits for the sets of "
    "particles, 0 to reset."
)
MARKS = (
    "Red is what went wrong: a candidate where nothing should stand (its energy is counted twice), "
    "one of the wrong class, a target that is missed (its energy is lost), and the hits of a "
    "cluster of whose energy that is more than 30\u00a0%. A red rim alone: the right class, but an "
    "energy off by more than 1 GeV and 30\u00a0%. Right means the same class at the same element, "
    "as in efficiency and fake rate. Sets made with the truth are shown without marks."
)
SHAPES = {
    "22": ("photon", '<circle cx="8" cy="8" r="6"/>'),
    "130": ("neutral hadron", '<path d="M2.5 2.5h11v11h-11z"/>'),
    "211": ("charged hadron", '<path d="M8 1.5l6.5 11.5h-13z"/>'),
    "11": ("electron", '<path d="M8 1.5l6.5 4.7-2.5 7.8h-8l-2.5-7.8z"/>'),
    "13": ("muon", '<path d="M8 1.5l5.8 3.3v6.6l-5.8 3.3-5.8-3.3v-6.6z"/>'),
}


def build_display_page(scenes: Sequence[Scene], stills: Sequence[bytes]) -> str:
    """A page that shows `scenes`, with the PNG of each for readers without scripts."""
    alone = len(scenes) == 1
    sections = [
        Section(
            "" if alone else f"Event {scene.number}", display_figure(scene, f"event-{i}", still)
        )
        for i, (scene, still) in enumerate(zip(scenes, stills, strict=True))
    ]
    sections.insert(0, Section("", explanation()))
    names = [one.name for one in scenes[0].sets]
    detector = scenes[0].detector
    words = f"{detector.name.upper()}, {detector.magnetic_field:g} T"
    title = scenes[0].title if alone else f"{len(scenes)} events"
    return build_document(title, "event display", f"{words}: {', '.join(names)}", sections)


def explanation() -> Markup:
    """What the colours mean and how a display is moved: once, before the first."""
    return join([element("p", MARKS, class_="note"), element("p", HELP, class_="note")])


def display_figure(scene: Scene, identifier: str, still: bytes) -> Markup:
    """One event: the viewer's data, a picture to stand in for it, and its tables."""
    picture = base64.b64encode(still).decode()
    event = scene.event
    contents = (
        f"{len(event.hits)} hits, {len(event.tracks)} tracks, {len(event.clusters)} clusters, "
        f"{len(scene.gen_jets)} generator jets"
    )
    image = Markup(
        f'<img class="still" src="data:image/png;base64,{picture}" '
        f'alt="Event {scene.number} across the beam and along it: {contents}" loading="lazy">'
    )
    data = Markup(f'<script type="application/json">{to_json(scene)}</script>')
    remark = f"{scene.remark}; {contents}." if scene.remark else f"{contents}."
    caption = element("figcaption", element("b", f"{scene.title}."), f" {remark}")
    tables = [jet_table(scene), mistake_table(scene)]
    return join(
        [
            element(
                "figure", element("div", image, class_="stage"), _legend(), caption, data,
                class_="display", id=identifier,
            ),
            element("div", *(element("div", t) for t in tables), class_="tables"),
        ]
    )  # fmt: skip


def jet_table(scene: Scene) -> Markup:
    """Generator jets, and the jet of each set beside them."""
    rows = [
        [
            f"{i + 1}",
            decimal(jet_pt, 1),
            decimal(float(scene.gen_jets.eta[i]), 2),
            decimal(float(scene.gen_jets.phi[i]), 2),
            *(_jet(float(one.jet_pt[i]), jet_pt) for one in scene.sets),
        ]
        for i, jet_pt in enumerate(scene.gen_jets.pt.tolist())
    ]
    headings = ["jet", "pT [GeV]", "η", "φ", *(one.name for one in scene.sets)]
    return table(headings, rows, "Generator jets; pT of each set's nearest jet [GeV], over theirs")


def mistake_table(scene: Scene) -> Markup:
    """Numbers and energies of what went wrong in each set."""
    return table(
        ["", "particles", "missed", "fake", "wrong class", "energy off", "sum"],
        [_mistakes(one) for one in scene.sets],
        "Number, and energy [GeV]: lost with missed targets, counted twice in fakes",
    )


def _mistakes(one: DisplayedSet) -> list[object]:
    total = f"{one.candidates.energy.sum():.1f}"
    if not one.is_judged:
        return [one.name, len(one.candidates), *[NOTHING] * 4, total]
    return [
        one.name,
        len(one.candidates),
        _cell(one.targets_with(TargetMark.MISSED)),
        *(_cell(one.candidates_with(m)) for m in (Mark.FAKE, Mark.WRONG_CLASS, Mark.ENERGY)),
        total,
    ]


def _cell(count: Count) -> Markup:
    return _two(str(count.number), f"{count.energy:.1f}")


def _jet(found: float, wanted: float) -> Markup:
    if np.isnan(found):
        return Markup(NOTHING)
    return _two(f"{found:.1f}", f"{found / wanted:.3f}")


def _two(number: str, below: str) -> Markup:
    return join(
        [element("span", number, class_="number"), element("span", below, class_="interval")]
    )


def _legend() -> Markup:
    entries = [
        Markup(f'<li><svg viewBox="0 0 16 16" aria-hidden="true" fill="var(--class-{kind})" '
               f'fill-opacity="0.6" stroke="var(--class-{kind})">{shape}</svg>{name}</li>')
        for kind, (name, shape) in SHAPES.items()
    ]  # fmt: skip
    circle = '<circle cx="8" cy="8" r="6"/>'
    red = (
        ("fake", 'fill="var(--red)" fill-opacity="0.7" stroke="var(--red)" stroke-width="2"'),
        ("missed", 'fill="none" stroke="var(--red)" stroke-width="2" stroke-dasharray="3 2.5"'),
        ("energy off", 'fill="var(--class-211)" fill-opacity="0.6" stroke="var(--red)" '
                       'stroke-width="2"'),
    )  # fmt: skip
    entries += [
        Markup(f'<li><svg viewBox="0 0 16 16" aria-hidden="true" {look}>{circle}</svg>{name}</li>')
        for name, look in red
    ]
    return element("ul", *entries, class_="keys")
