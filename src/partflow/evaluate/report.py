"""One page that holds all of an evaluation: verdict, tables, figures, definitions, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from partflow.core.provenance import Provenance
from partflow.evaluate import page_tables
from partflow.evaluate.evaluator import REFERENCES
from partflow.evaluate.html import Markup, element, join, svg_image, text
from partflow.evaluate.style import looks
from partflow.evaluate.verdict import verdict
from partflow.evaluate.words import sample_label

HERO = "jet_resolution_pt"
"""The figure beside the verdict."""


class Picture(NamedTuple):
    """A figure as the page shows it."""

    name: str
    """Its first word, before an underscore, says which section it belongs to."""
    title: str
    caption: str
    svg: str


def build_page(
    metrics: Mapping[str, Any],
    pictures: Sequence[Picture],
    provenance: Provenance | None = None,
    plots_folder: str = "plots",
) -> str:
    """The whole page as HTML.

    It needs nothing beside it; links lead to the files of each figure in `plots_folder`.
    """
    sections = _sections(metrics, {p.name: _shown(p, plots_folder) for p in pictures})
    if provenance:
        sections["Provenance"] = element("pre", provenance.to_json())
    sections = {title: content for title, content in sections.items() if content}
    template = resources.files("partflow.evaluate") / "template"
    return Template((template / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(_title(list(metrics["jets"]))),
        sample=text(sample_label(metrics)),
        style=(template / "style.css").read_text(encoding="utf-8"),
        navigation=join(element("a", t, href=f"#{_anchor(t)}") for t in sections),
        sections=join(
            element("section", element("h2", title), content, id=_anchor(title))
            for title, content in sections.items()
        ),
        footer=element("p", f"The same numbers as files: metrics.json, {plots_folder}/*.csv."),
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
        "Particles": join(
            [
                page_tables.particle_comparison(metrics, look),
                _gallery("particle", figures),
                _folded("Numbers and energies", page_tables.particle_details(metrics, look)),
            ]
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


def _shown(picture: Picture, folder: str) -> Markup:
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
    return element("figure", svg_image(picture.svg, picture.title), caption)


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


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
