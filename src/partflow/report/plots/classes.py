"""Figures with a panel for each class of particle: a quantity against pt or eta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, StrMethodFormatter

from partflow.core.candidate_sets import TARGET
from partflow.core.particles import CLASS_NAMES
from partflow.report.plots.jets import draw_bins
from partflow.report.style import Look, Plot, new_figure, plain, stamp

SHORT_NAMES = {
    "none": "none",
    "charged_hadron": "ch. hadron",
    "neutral_hadron": "n. hadron",
    "photon": "photon",
    "electron": "electron",
    "muon": "muon",
}
LABELS = {"bins": r"$p_\mathrm{T}$ [GeV]", "eta_bins": r"$|\eta|$"}
WORDS = {"bins": "transverse momentum", "eta_bins": "pseudorapidity"}
SUFFIX = {"bins": "pt", "eta_bins": "eta"}


class Quantity(NamedTuple):
    """What is drawn of each bin."""

    name: str
    """First part of the names of its figures."""
    title: str
    label: str
    key: str
    group: str | None = None
    """Entry of the bin that holds `key`, where the bin itself does not."""
    is_rate: bool = False

    def of_bins(self, bins: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The bins with the quantity at their top."""
        return [b if self.group is None else {**b, **b[self.group]} for b in bins]


EFFICIENCY = Quantity("efficiency", "Efficiency", "Efficiency", "efficiency", is_rate=True)
FAKE_RATE = Quantity("fake_rate", "Fake rate", "Fake rate", "fake_rate", is_rate=True)
PT_RESOLUTION = Quantity(
    "pt_resolution", "Momentum resolution", r"$p_\mathrm{T}$: IQR / median",
    "iqr_over_median", "pt_response",
)  # fmt: skip
PT_SCALE = Quantity(
    "pt_scale", "Momentum scale", r"$p_\mathrm{T}$ / target's: median", "median", "pt_response"
)
ENERGY_RESOLUTION = Quantity(
    "energy_resolution", "Energy resolution", "E: IQR / median", "iqr_over_median",
    "energy_response",
)  # fmt: skip
ENERGY_SCALE = Quantity(
    "energy_scale", "Energy scale", "E / target's: median", "median", "energy_response"
)
ETA_RESOLUTION = Quantity(
    "eta_resolution", "Resolution of pseudorapidity", r"IQR of $\Delta\eta$", "iqr", "eta_residual"
)
PHI_RESOLUTION = Quantity(
    "phi_resolution", "Resolution of azimuth", r"IQR of $\Delta\phi$ [rad]", "iqr", "phi_residual"
)
DRAWN = (
    (EFFICIENCY, "bins"), (EFFICIENCY, "eta_bins"), (FAKE_RATE, "bins"), (FAKE_RATE, "eta_bins"),
    (PT_RESOLUTION, "bins"), (PT_RESOLUTION, "eta_bins"), (PT_SCALE, "bins"),
    (ENERGY_RESOLUTION, "bins"), (ENERGY_SCALE, "eta_bins"), (ETA_RESOLUTION, "bins"),
    (PHI_RESOLUTION, "bins"),
)  # fmt: skip


def class_plots(
    particles: Mapping[str, Any], look: Mapping[str, Look], sample: str
) -> Iterator[Plot]:
    """Rates, scales and resolutions of each class against pt and eta."""
    for quantity, bins in DRAWN:
        yield by_class(particles, look, sample, quantity, bins)


def by_class(
    particles: Mapping[str, Any], look: Mapping[str, Look], sample: str, quantity: Quantity,
    bins: str,
) -> Plot:  # fmt: skip
    """One quantity in bins, a panel per class; the target is left out, for it is what is asked."""
    figure = new_figure(width=1.15, height=1.6)
    panels = figure.subplots(3, 2, sharex=True, sharey=quantity.is_rate)
    shown = {name: entry for name, entry in particles.items() if name != TARGET}
    heading_at = 0.12 if quantity.key == "efficiency" else 0.86  # where few points are
    for axes, kind in zip(panels.flat, CLASS_NAMES.values(), strict=False):
        for name, entry in shown.items():
            rows = quantity.of_bins(entry[kind][bins])
            draw_bins(axes, rows, quantity.key, look[name], name, bins == "bins")
        place = {"transform": axes.transAxes, "ha": "center", "fontsize": 16}
        behind = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 2}
        axes.text(0.5, heading_at, SHORT_NAMES[kind], bbox=behind, **place)
        if not quantity.is_rate:
            low, high = axes.get_ylim()
            low = 0.0 if quantity.key != "median" else low
            axes.set_ylim(low, high + 0.25 * (high - low))
    last, corner = panels[2, 0], panels[2, 1]
    for axes in (panels[1, 1], last):
        axes.set_xlabel(LABELS[bins])
        axes.tick_params(labelbottom=True)
    if bins == "bins":
        _logarithmic(last)
    else:
        ends = [b["high"] for entry in shown.values() for b in entry["photon"][bins]]
        last.set_xlim(0, max(ends, default=1.0))
        last.xaxis.set_major_locator(MultipleLocator(1))
        last.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    if quantity.is_rate:
        last.set_ylim(-0.04, 1.08)
    for axes in panels[:, 0]:
        axes.set_ylabel(quantity.label)
    corner.axis("off")
    corner.legend(*panels[0, 0].get_legend_handles_labels(), loc="center", fontsize=16)
    stamp(panels[0, 0], "")
    panels[0, 1].set_title(plain(sample), loc="right", fontsize=13)
    whose = "candidate's" if quantity is FAKE_RATE else "target's"
    return Plot(
        f"particle_{quantity.name}_{SUFFIX[bins]}",
        f"{quantity.title} against {WORDS[bins]}",
        f"{quantity.title} of each class against the {whose} {WORDS[bins]}; bands: bootstrap "
        "intervals.",
        figure,
        _columns(particles, quantity, bins),
    )


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.2, 1, 5, 20, 100]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _columns(particles: Mapping[str, Any], quantity: Quantity, bins: str) -> dict[str, list[Any]]:
    rows = [
        (name, kind, part)
        for name, entry in particles.items()
        for kind, of_class in entry.items()
        for part in quantity.of_bins(of_class[bins])
    ]
    key = quantity.key
    columns = {
        "candidates": [name for name, _, _ in rows],
        "class": [kind for _, kind, _ in rows],
    }
    for column in ("low", "high", "num_targets", "num_candidates", key):
        columns[column] = [part[column] for _, _, part in rows]
    for place, side in enumerate(("low", "high")):
        columns[f"{key}_{side}"] = [part[f"{key}_ci"][place] for _, _, part in rows]
    return columns
