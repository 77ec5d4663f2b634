"""One page that holds all of an evaluation: verdict, tables, figures, definitions, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from partflow.core.candidate_sets import REFERENCES
from partflow.core.provenance import Provenance
from partflow.report import page_tables
from partflow.report.document import Section, build_document
from partflow.report.formatting import sample_label
from partflow.report.headline import verdict
from partflow.report.html import Markup, element, join
from partflow.report.style import Look, looks
from partflow.report.svg import svg_drawing

HERO = "jet_resolution_pt"
"""The figure beside the verdict."""


class Picture(NamedTuple):
    """A figure as the page shows it."""

    name: str
    """Its first word, before an underscore, says which section it belongs to."""
    title: str
    caption: str
    svg: str
    key: str = ""
    """`Look.key` of the candidate set that all of it is of, if it is of one."""


def build_page(
    metrics: Mapping[str, Any],
    pictures: Sequence[Picture],
    provenance: Provenance | None = None,
    plots_folder: str = "plots",
    displays: Markup = Markup(),  # noqa: B008 (a string)
) -> str:
    """The whole page as HTML; `displays` are events to look at.

    It needs nothing beside it; links lead to the files of each figure in `plots_folder`.
    """
    shown = {p.name: _shown(p, f"f{i}", plots_folder) for i, p in enumerate(pictures)}
    parts = _sections(metrics, shown)
    definitions = parts.pop("Definitions")
    parts |= {"Events": displays, "Definitions": definitions}
    if provenance:
        parts["Provenance"] = element("pre", provenance.to_json())
    return build_document(
        _title(list(metrics["jets"])),
        "evaluation",
        sample_label(metrics),
        [Section(title, content) for title, content in parts.items() if content],
        element("p", f"The same numbers as files: metrics.json, {plots_folder}/*.csv."),
        _switches(looks(list(metrics["jets"]))) if pictures else "",
    )


def _switches(look: Mapping[str, Look]) -> Markup:
    """A switch for each candidate set; a script shows them and minds them."""
    switches = [
        element(
            "label",
            Markup(f'<input type="checkbox" checked value="{one.key}">'),
            element("span", page_tables.named(name, look)),
        )
        for name, one in look.items()
    ]
    legend = element("legend", "In the figures")
    return Markup(
        '<div class="switches" hidden>'
        f"{element('fieldset', legend, *switches, class_='choice')}</div>"
    )


def _sections(metrics: Mapping[str, Any], figures: Mapping[str, Markup]) -> dict[str, Markup]:
    look, config = looks(list(metrics["jets"])), metrics["config"]
    pt_bins = page_tables.jet_bins(metrics, look, "bins", "pT [GeV]")
    eta_bins = page_tables.jet_bins(metrics, look, "eta_bins", "|eta|")
    said = verdict(metrics)
    sentence = element("p", element("b", said.sentence))
    remarks = [element("p", remark) for remark in said.remarks]
    hero = [figures[HERO]] if HERO in figures else []
    return {
        "Verdict": join(
            [
                element("div", sentence, *remarks, class_="verdict"),
                element(
                    "div", page_tables.jet_figures(metrics, config, look), *hero, class_="lead"
                ),
            ]
        ),
        "Jets": join(
            [
                _gallery("jet", figures),
                _folded("Numbers in bins of pT", pt_bins),
                _folded("Numbers in bins of |eta|", eta_bins),
            ]
        ),
        "Missing momentum": join(
            [page_tables.met_figures(metrics, config, look), _gallery("met", figures)]
        ),
        "Boson masses": join(
            [page_tables.dijet_figures(metrics, look), _gallery("dijet", figures)]
        ),
        "Particles": join(
            [
                page_tables.particle_comparison(metrics, look),
                _gallery("particle", figures),
                _folded("Numbers and energies", page_tables.particle_details(metrics, look)),
            ]
        ),
        "Where the energy goes": join(
            [page_tables.unknown_flow(metrics), _gallery("flow", figures)]
        ),
        "Calibration": join(
            [page_tables.readout_figures(metrics, look), _gallery("calibration", figures)]
        ),
        "Processes": page_tables.process_figures(metrics, look),
        "Definitions": _definitions(metrics),
    }


def _title(names: Sequence[str]) -> str:
    own = [name for name in names if name not in REFERENCES]
    references = ", ".join(name for name in REFERENCES if name in names)
    if own and references:
        return f"{', '.join(own)} beside {references}"
    return ", ".join(names) or "Nothing to judge"


def _shown(picture: Picture, prefix: str, folder: str) -> Markup:
    files = join(
        join([" ", element("a", kind.upper(), href=f"{folder}/{picture.name}.{kind}")])
        for kind in ("png", "pdf", "csv")
    )
    caption = element(
        "figcaption",
        element("b", f"{picture.title}."),
        f" {picture.caption}",
        element("span", files, class_="files"),
    )
    drawing = svg_drawing(picture.svg, prefix, picture.title)
    owner = {"data_set": picture.key} if picture.key else {}
    return element("figure", element("div", drawing, class_="card"), caption, **owner)


def _gallery(word: str, figures: Mapping[str, Markup]) -> Markup:
    chosen = [f for name, f in figures.items() if name.split("_")[0] == word and name != HERO]
    return element("div", *chosen, class_="figures") if chosen else Markup()


def _definitions(metrics: Mapping[str, Any]) -> Markup:
    entries = [
        piece
        for name, meaning in metrics["definitions"].items()
        for piece in (element("dt", page_tables.words(name)), element("dd", meaning))
    ]
    config = element("pre", json.dumps(metrics["config"], indent=1))
    return join([element("dl", *entries), _folded("Configuration", config)])


def _folded(title: str, content: Markup) -> Markup:
    if not content:
        return content
    return element("details", element("summary", title), content)
