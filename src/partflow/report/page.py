"""The page of an evaluation: headline, tables, plots, event displays, definitions, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from partflow.core.candidate_sets import REFERENCES
from partflow.core.provenance import Provenance
from partflow.report import page_tables
from partflow.report.display.page import EventView
from partflow.report.document import render_page
from partflow.report.fonts import font_faces
from partflow.report.formatting import sample_label, spaced
from partflow.report.headline import make_headline
from partflow.report.style import looks
from partflow.report.svg import svg_drawing
from partflow.report.tables import set_cell

MAIN_PLOT = "jet_resolution_pt"
"""The plot next to the headline."""


class SavedPlot(NamedTuple):
    """A plot as the page shows it, after its files are written."""

    name: str
    """Name of its files; the part before the first underscore is its section of the page."""
    title: str
    caption: str
    svg: str
    key: str = ""
    """`Look.key` of the candidate set, if the whole plot is of one set."""

    @property
    def section(self) -> str:
        """The section of the page that it stands in, e.g. `jet`."""
        return self.name.partition("_")[0]


class PagePlot(NamedTuple):
    """A plot with its drawing as part of the page."""

    name: str
    title: str
    caption: str
    key: str
    svg: Markup


def build_page(
    metrics: Mapping[str, Any],
    plots: Sequence[SavedPlot],
    provenance: Provenance | None = None,
    plots_folder: str = "plots",
    events: Sequence[EventView] = (),
    event_selection: str = "",
    warning: str = "",
) -> str:
    """The whole page as HTML, a file that needs no other.

    Args:
        metrics: Metrics of `Evaluator.metrics`.
        plots: The plots; the page links to their files in `plots_folder`.
        provenance: Provenance of the report, shown at the end.
        plots_folder: Folder of the plots' files, relative to the page.
        events: Event displays.
        event_selection: How these events were selected.
        warning: What the reader must know about the events, shown at the top.
    """
    look, config = looks(list(metrics["jets"])), metrics["config"]
    drawings = _page_plots(plots)
    return render_page(
        "evaluation.html.jinja",
        warning=warning,
        title=_title(list(metrics["jets"])),
        kind="evaluation",
        sample=sample_label(metrics),
        fonts=font_faces(plot.svg for plot in drawings.values()),
        headline=make_headline(metrics),
        switches=[(of.key, set_cell(name, of)) for name, of in look.items()] if plots else [],
        main_plot=drawings.get(MAIN_PLOT),
        plots=_plots_by_section(plots, drawings),
        plots_folder=plots_folder,
        jet_summary=page_tables.jet_summary(metrics, config, look),
        jet_pt_bins=page_tables.jet_bins(metrics, look, "bins", "pT [GeV]"),
        jet_eta_bins=page_tables.jet_bins(metrics, look, "eta_bins", "|η|"),
        met_summary=page_tables.met_summary(metrics, config, look),
        dijets=page_tables.dijet_tables(metrics, look),
        particle_rates=page_tables.particle_rates(metrics, look),
        particle_energies=page_tables.particle_energies(metrics, look),
        without_flow=_sets_without_flow(metrics),
        readouts=page_tables.readout_table(metrics, look),
        processes=[
            (name, part["num_events"], page_tables.jet_summary(part, config, look))
            for name, part in metrics["processes"].items()
            if "jets" in part
        ],
        events=events,
        event_selection=event_selection,
        definitions={spaced(name): text for name, text in metrics["definitions"].items()},
        config=json.dumps(config, indent=1),
        provenance=provenance.to_json() if provenance else "",
    )


def _page_plots(plots: Sequence[SavedPlot]) -> dict[str, PagePlot]:
    """The plots by name, with their drawings as parts of one page."""
    return {
        plot.name: PagePlot(
            plot.name, plot.title, plot.caption, plot.key,
            svg_drawing(plot.svg, f"f{i}", plot.title),
        )
        for i, plot in enumerate(plots)
    }  # fmt: skip


def _plots_by_section(
    plots: Sequence[SavedPlot], drawings: Mapping[str, PagePlot]
) -> dict[str, list[PagePlot]]:
    """The plots of each section, without the main plot."""
    sections: dict[str, list[PagePlot]] = {}
    for plot in plots:
        if plot.name != MAIN_PLOT:
            sections.setdefault(plot.section, []).append(drawings[plot.name])
    return sections


def _title(names: Sequence[str]) -> str:
    """What the page compares with what."""
    user_sets = [name for name in names if name not in REFERENCES]
    references = ", ".join(name for name in REFERENCES if name in names)
    if user_sets and references:
        return f"{', '.join(user_sets)} compared with {references}"
    return ", ".join(names) or "No candidates"


def _sets_without_flow(metrics: Mapping[str, Any]) -> list[str]:
    """Candidate sets, except references, whose energy flow is unknown."""
    if not metrics["num_events"]:
        return []
    flows = metrics["energy_flow"].items()
    return [name for name, flow in flows if not flow and name not in REFERENCES]
