"""Plots with a panel for each class of particle: a metric against pt or eta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator, StrMethodFormatter

from partflow.core.candidate_sets import TARGET
from partflow.core.particles import CLASS_NAMES
from partflow.report.plots.bins import draw_bins, interval_columns, logarithmic_x_axis
from partflow.report.style import Look, Plot, new_figure, plain_text, stamp

SHORT_NAMES = {
    "none": "none",
    "charged_hadron": "ch. hadron",
    "neutral_hadron": "n. hadron",
    "photon": "photon",
    "electron": "electron",
    "muon": "muon",
}
PT_TICKS = (0.2, 1, 5, 20, 100)
LABELS = {"bins": r"$p_\mathrm{T}$ [GeV]", "eta_bins": r"$|\eta|$"}
TITLES = {"bins": "transverse momentum", "eta_bins": "pseudorapidity"}
SUFFIXES = {"bins": "pt", "eta_bins": "eta"}
"""Labels, titles and ends of file names by the entry of the bins in `metrics.json`."""


class Quantity(NamedTuple):
    """A metric of each class that is drawn in bins."""

    name: str
    """Beginning of the names of its plots' files."""
    title: str
    label: str
    key: str
    """Name of the metric in `metrics.json`."""
    group: str | None = None
    """Entry of the bin that holds the metric, if it is not the bin itself."""
    is_rate: bool = False

    def in_bins(self, bins: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The bins with the metric among their entries."""
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
    particles: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Iterator[Plot]:
    """Rates, scales and resolutions of each class against pt and eta."""
    for quantity, bins in DRAWN:
        yield quantity_by_class(particles, look, sample_label, quantity, bins)


def quantity_by_class(
    particles: Mapping[str, Any], look: Mapping[str, Look], sample_label: str, quantity: Quantity,
    bins: str,
) -> Plot:  # fmt: skip
    """One quantity in bins, a panel per class, of all candidate sets but the target itself."""
    figure = new_figure(width=1.15, height=1.6)
    panels = figure.subplots(3, 2, sharex=True, sharey=quantity.is_rate)
    sets = {name: entry for name, entry in particles.items() if name != TARGET}
    for axes, kind in zip(panels.flat, CLASS_NAMES.values(), strict=False):
        for name, entry in sets.items():
            rows = quantity.in_bins(entry[kind][bins])
            draw_bins(axes, rows, quantity.key, look[name], name, bins == "bins")
        _finish_panel(axes, kind, quantity)
    last, corner = panels[2, 0], panels[2, 1]
    for axes in (panels[1, 1], last):
        axes.set_xlabel(LABELS[bins])
        axes.tick_params(labelbottom=True)
    if bins == "bins":
        logarithmic_x_axis(last, PT_TICKS)
    else:
        ends = [b["high"] for entry in sets.values() for b in entry["photon"][bins]]
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
    panels[0, 1].set_title(plain_text(sample_label), loc="right", fontsize=13)
    whose = "candidate's" if quantity is FAKE_RATE else "target's"
    return Plot(
        f"particle_{quantity.name}_{SUFFIXES[bins]}",
        f"{quantity.title} against {TITLES[bins]}",
        f"{quantity.title} of each class against the {whose} {TITLES[bins]}. Bands: bootstrap "
        "intervals.",
        figure,
        _columns(particles, quantity, bins),
    )


def _finish_panel(axes: Axes, kind: str, quantity: Quantity) -> None:
    """Write the class into its panel, and extend the axis where there are few points."""
    height = 0.12 if quantity.key == "efficiency" else 0.86
    background = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 2}
    axes.text(
        0.5, height, SHORT_NAMES[kind], transform=axes.transAxes, ha="center", fontsize=16,
        bbox=background,
    )  # fmt: skip
    if not quantity.is_rate:
        low, high = axes.get_ylim()
        low = low if quantity.key == "median" else 0.0
        axes.set_ylim(low, high + 0.25 * (high - low))


def _columns(particles: Mapping[str, Any], quantity: Quantity, bins: str) -> dict[str, list[Any]]:
    """The quantity of each candidate set, class and bin, as columns of a table."""
    rows = [
        (name, kind, part)
        for name, entry in particles.items()
        for kind, of_class in entry.items()
        for part in quantity.in_bins(of_class[bins])
    ]
    parts = [part for _, _, part in rows]
    return {
        "candidates": [name for name, _, _ in rows],
        "class": [kind for _, kind, _ in rows],
        **{
            key: [part[key] for part in parts]
            for key in ("low", "high", "num_targets", "num_candidates")
        },
        **interval_columns(parts, quantity.key),
    }
