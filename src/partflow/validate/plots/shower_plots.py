"""Plots of single particles: resolution and response against energy, tracks, shower shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from partflow.core.detector import Detector
from partflow.core.records import Array
from partflow.evaluate.sample import select
from partflow.report.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    Plot,
    new_figure,
    stamp,
)
from partflow.validate.formulas import (
    momentum_resolution,
    neutral_hadron_resolution,
    photon_profile,
    photon_resolution,
)
from partflow.validate.measure.estimate import NOTHING, Estimate
from partflow.validate.measure.showers import RADIAL_EDGES
from partflow.validate.samples import (
    PARTICLE_ENERGIES,
    SHOWER_ENERGIES,
    TRACK_ANGLES,
    TRACK_ENERGIES,
    particle_name,
    shower_name,
    track_name,
)
from partflow.validate.summaries import ShowerSample, Summary

Figures = Mapping[str, Estimate]
SAMPLE_LABEL = "single particles, barrel"
PERPENDICULAR = 0.2
"""Largest abs(cos theta) of the showers in longitudinal profiles."""


def shower_plots(
    figures: Figures, summaries: Mapping[str, Summary], detector: Detector
) -> Iterator[Plot]:
    """All plots of single particles; `figures` come from `measure_figures`."""
    yield resolution(figures, "photon", photon_resolution)
    yield resolution(figures, "k0l", neutral_hadron_resolution)
    yield response(figures)
    yield track_resolution(figures, detector)
    yield photon_profiles(summaries, detector)
    yield hadron_profiles(summaries, detector)
    yield containment(summaries, detector)


def read(figures: Figures, names: Sequence[str]) -> tuple[Array, Array]:
    """Values of figures [figure], and distances to the ends of their intervals [2, figure]."""
    estimates = np.array([figures.get(name, NOTHING) for name in names]).reshape(-1, 3)
    value, low, high = estimates.T
    return value, np.nan_to_num(np.clip([value - low, high - value], 0, None))


def resolution(figures: Figures, kind: str, fit: Callable[[Array], Array]) -> Plot:
    """sigma/E of photons or K0L against energy, with the published `fit`, a function of E [GeV]."""
    particles = {"photon": "photons", "k0l": "neutral hadrons"}[kind]
    shower, chain = SHOWER_ENERGIES[kind][1], PARTICLE_ENERGIES[kind][1]
    figure = new_figure()
    axes = figure.subplots()
    curve = np.geomspace(0.5, 120, 200)
    axes.plot(curve, 100 * fit(curve), color=GREY, label="fit to CLICdet full simulation")
    columns: dict[str, list[object]] = {"series": [], "energy": [], "percent": [], "fit": []}
    for label, energies, name, marker, colour in (
        ("showers alone", shower, shower_name, "o", BLUE),
        ("whole chain, tracker material", chain, particle_name, "s", VERMILION),
    ):
        value, error = read(figures, [f"{name(kind, e)}: resolution" for e in energies])
        axes.errorbar(
            energies, 100 * value, 100 * error, fmt=marker, color=colour, mfc="white", label=label
        )
        columns["series"] += [label] * len(energies)
        columns["energy"] += list(energies)
        columns["percent"] += (100 * value).tolist()
        columns["fit"] += (100 * fit(np.array(energies))).tolist()
    _energy_axis(axes)
    axes.set_yscale("log")
    ticks = (2, 5, 10, 20, 50) if kind == "photon" else (5, 10, 20, 50, 100)
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(1.3 if kind == "photon" else 5, 40 if kind == "photon" else 130)
    axes.set_ylabel(r"$\sigma_E / E$ [%]")
    axes.legend(title=particles)
    stamp(axes, SAMPLE_LABEL)
    measure = "Standard deviation over mean" if kind == "photon" else "IQR/1.349 over median"
    return Plot(
        f"{kind}_resolution", f"Energy resolution of {particles}",
        f"{measure} of the energy of single {particles} (whole chain: IQR/1.349 over median of all "
        "candidates' energy), with the fit to the full simulation of CLICdet. "
        "Bars: 95 % intervals.",
        figure, columns,
    )  # fmt: skip


def response(figures: Figures) -> Plot:
    """Energy scale of photons, K0L and charged pions in the calorimeters."""
    figure = new_figure()
    axes = figure.subplots()
    columns: dict[str, list[object]] = {"particle": [], "energy": [], "response": []}
    for (kind, label, figure_name), (colour, marker) in zip(
        (
            ("photon", r"$\gamma$, mean", "mean"),
            ("k0l", r"$K^0_L$, median", "median"),
            ("pion", r"$\pi^+$, median", "median"),
        ),
        ((ORANGE, "o"), (GREEN, "s"), (BLUE, "^")),
        strict=True,
    ):
        energies = SHOWER_ENERGIES[kind][1]
        value, error = read(figures, [f"{shower_name(kind, e)}: {figure_name}" for e in energies])
        axes.errorbar(energies, value, error, fmt=marker, color=colour, label=label)
        columns["particle"] += [kind] * len(energies)
        columns["energy"] += list(energies)
        columns["response"] += value.tolist()
    axes.axhline(1.0, color="0.6", linewidth=1)
    axes.axhspan(0.98, 1.02, color=ORANGE, alpha=0.2, linewidth=0)
    axes.axhspan(0.94, 1.06, color=GREEN, alpha=0.1, linewidth=0)
    _energy_axis(axes)
    axes.set_ylim(0.85, 1.2)
    axes.set_ylabel("Calibrated energy / true energy")
    axes.legend(ncols=3)
    stamp(axes, SAMPLE_LABEL)
    return Plot(
        "calorimeter_response", "Energy scale of the calorimeters",
        "All hits of single particles without tracker material: photons on the EM scale, hadrons "
        "on the hadronic scale. Bands: the tolerances for photons and for neutral hadrons.",
        figure, columns,
    )  # fmt: skip


def track_resolution(figures: Figures, detector: Detector) -> Plot:
    """sigma(pt)/pt against momentum, with the formula by which tracks are smeared."""
    figure = new_figure()
    axes = figure.subplots()
    curve = np.geomspace(0.8, 130, 200)
    columns: dict[str, list[object]] = {"place": [], "momentum": [], "percent": [], "formula": []}
    for (place, cos_theta), colour in zip(TRACK_ANGLES.items(), (BLUE, VERMILION), strict=True):
        names = [f"{track_name(place, e)}: sigma_pt" for e in TRACK_ENERGIES]
        value, error = read(figures, names)
        formula = expected_momentum_resolution(curve, cos_theta, detector)
        axes.plot(curve, 100 * formula, color=colour, label=f"{place}, formula")
        axes.errorbar(TRACK_ENERGIES, 100 * value, 100 * error, fmt="o", color=colour, label=place)
        columns["place"] += [place] * len(TRACK_ENERGIES)
        columns["momentum"] += list(TRACK_ENERGIES)
        columns["percent"] += (100 * value).tolist()
        expected = expected_momentum_resolution(np.array(TRACK_ENERGIES), cos_theta, detector)
        columns["formula"] += (100 * expected).tolist()
    _energy_axis(axes, r"Momentum $p$ [GeV]")
    axes.set_yscale("log")
    ticks = (0.1, 0.2, 0.5, 1, 2, 5)
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.1, 8)
    axes.set_ylabel(r"$\sigma(p_\mathrm{T}) / p_\mathrm{T}$ [%]")
    axes.legend(ncols=2)
    stamp(axes, "single muons")
    return Plot(
        "track_resolution", "Momentum resolution",
        "Standard deviation of the measured transverse momentum of single muons, for "
        "abs(cos theta) below 0.17 and from 0.90 to 0.95, with the fit to the full simulation "
        "of CLICdet by which tracks are smeared: this tests the smearing alone.",
        figure, columns,
    )  # fmt: skip


def expected_momentum_resolution(
    momentum: Array, cos_theta: tuple[float, float], detector: Detector
) -> Array:
    """Expected sigma(pt)/pt at `momentum` [GeV]: root mean square over a range of cos(theta)."""
    cosines = np.linspace(*cos_theta, 101)
    pt = momentum[:, None] * np.sqrt(1 - cosines**2)
    sigma = momentum_resolution(pt, np.abs(np.arctanh(cosines)), detector.tracker)
    return np.sqrt(np.mean(sigma**2, axis=1))


def photon_profiles(summaries: Mapping[str, Summary], detector: Detector) -> Plot:
    """Mean longitudinal profile of photon showers, with a gamma distribution."""
    figure = new_figure()
    axes = figure.subplots()
    ecal = detector.ecal
    edges = np.arange(ecal.num_groups + 1) * ecal.group_thickness / ecal.radiation_length
    columns: dict[str, list[object]] = {"energy": [], "low": [], "high": [], "measured": []}
    for energy, colour in ((1.0, PURPLE), (10.0, BLUE), (100.0, VERMILION)):
        sample = _perpendicular(summaries[shower_name("photon", energy)]["showers"])
        profile = sample.longitudinal[:, : ecal.num_groups].mean(axis=0) / energy / np.diff(edges)
        depth = np.linspace(0, edges[-1], 200)
        axes.stairs(100 * profile, edges, color=colour, label=f"{energy:g} GeV", linewidth=2)
        curve = photon_profile(depth, energy, ecal) / energy
        axes.plot(depth, 100 * curve, color=colour, linestyle=":", linewidth=1.5)
        columns["energy"] += [energy] * len(profile)
        columns["low"] += edges[:-1].tolist()
        columns["high"] += edges[1:].tolist()
        columns["measured"] += profile.tolist()
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, None)
    axes.set_xlabel(r"Depth in the ECAL [$X_0$]")
    axes.set_ylabel(r"Fraction of the energy [% / $X_0$]")
    axes.legend(title="photons; dotted: PDG")
    stamp(axes, SAMPLE_LABEL)
    return Plot(
        "photon_profile", "Longitudinal profile of photons",
        "Mean energy in hits per radiation length over the photon's energy, by layer group, for "
        "abs(cos theta) below 0.2. Dotted: gamma distribution of the Review of Particle Physics, "
        "an approximation for homogeneous matter, drawn to compare the shapes.",
        figure, columns,
    )  # fmt: skip


def hadron_profiles(summaries: Mapping[str, Summary], detector: Detector) -> Plot:
    """Mean longitudinal profile of hadron showers."""
    figure = new_figure()
    axes = figure.subplots()
    edges = _interaction_lengths(detector)
    widths = np.diff(edges, axis=1)[:, 0]
    columns: dict[str, list[object]] = {"sample": [], "low": [], "high": [], "measured": []}
    for kind, energy, colour, line in (
        ("k0l", 10.0, GREEN, "-"), ("k0l", 50.0, BLUE, "-"),
        ("pion", 10.0, ORANGE, "--"), ("pion", 50.0, VERMILION, "--"),
    ):  # fmt: skip
        sample = _perpendicular(summaries[shower_name(kind, energy)]["showers"])
        profile = sample.longitudinal.mean(axis=0) / energy / widths
        particle = r"$K^0_L$" if kind == "k0l" else r"$\pi^+$"
        axes.step(
            np.ravel(edges), 100 * np.repeat(profile, 2), color=colour, linestyle=line,
            label=f"{particle} {energy:g} GeV", linewidth=1.8,
        )  # fmt: skip
        columns["sample"] += [f"{kind} {energy:g} GeV"] * len(profile)
        columns["low"] += edges[:, 0].tolist()
        columns["high"] += edges[:, 1].tolist()
        columns["measured"] += profile.tolist()
    axes.axvline(1.0, color="0.7", linewidth=1)
    axes.set_xlim(0, edges[-1, 1])
    axes.set_ylim(0, None)
    axes.set_xlabel(r"Depth [$\lambda_\mathrm{I}$]")
    axes.set_ylabel(r"Fraction of the energy [% / $\lambda_\mathrm{I}$]")
    axes.legend()
    stamp(axes, SAMPLE_LABEL)
    return Plot(
        "hadron_profile", "Longitudinal profile of hadrons",
        "Mean EM-scale energy in hits per interaction length over the particle's energy, for "
        "abs(cos theta) below 0.2. The first interaction length is the ECAL.",
        figure, columns,
    )  # fmt: skip


def containment(summaries: Mapping[str, Summary], detector: Detector) -> Plot:
    """Fraction of the energy within a distance from the axis."""
    figure = new_figure()
    axes = figure.subplots()
    moliere = detector.ecal.moliere_radius
    columns: dict[str, list[object]] = {"sample": [], "radius": [], "share": []}
    for kind, energy, colour, line in (
        ("photon", 1.0, PURPLE, "-"), ("photon", 10.0, ORANGE, "-"), ("photon", 100.0, BLUE, "-"),
        ("k0l", 10.0, GREEN, "--"), ("k0l", 50.0, VERMILION, "--"),
    ):  # fmt: skip
        sample: ShowerSample = summaries[shower_name(kind, energy)]["showers"]
        total = (sample.ecal + sample.hcal).sum()
        share = np.cumsum(sample.radial.sum(axis=0)) / max(total, 1e-9)
        particle = r"$\gamma$" if kind == "photon" else r"$K^0_L$"
        axes.plot(
            RADIAL_EDGES[1:],
            share,
            color=colour,
            linestyle=line,
            label=f"{particle} {energy:g} GeV",
        )
        columns["sample"] += [f"{kind} {energy:g} GeV"] * len(share)
        columns["radius"] += RADIAL_EDGES[1:].tolist()
        columns["share"] += share.tolist()
    for radii, height in ((1.0, 0.90), (2.0, 0.95)):
        axes.plot(radii * moliere, height, "x", color="black", markersize=10, markeredgewidth=2)
    axes.set_xscale("log")
    axes.set_xlim(5, RADIAL_EDGES[-1])
    axes.set_xticks((5, 10, 20, 50, 100, 200, 400), ("5", "10", "20", "50", "100", "200", "400"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("Distance from the axis [mm]")
    axes.set_ylabel("Fraction of the energy inside")
    axes.legend(loc="lower right")
    stamp(axes, SAMPLE_LABEL)
    return Plot(
        "containment", "Width of showers",
        "Fraction of the energy in hits within a distance from the axis. Crosses: 90 % within one "
        f"and 95 % within two Moliere radii ({moliere:g} mm), as in electromagnetic showers; "
        "cells of the ECAL are "
        f"{detector.ecal.cell_size:g} mm wide.",
        figure, columns,
    )  # fmt: skip


def _perpendicular(sample: ShowerSample) -> ShowerSample:
    """Showers with abs(cos theta) below PERPENDICULAR."""
    return select(sample, np.abs(sample.cos_theta) < PERPENDICULAR)


def _interaction_lengths(detector: Detector) -> Array:
    """Depths of both edges of each layer group [group, 2], in interaction lengths."""
    ecal, hcal = detector.ecal, detector.hcal
    in_ecal = np.arange(ecal.num_groups + 1) * ecal.group_thickness / ecal.interaction_length
    in_hcal = in_ecal[-1] + (
        np.arange(hcal.num_groups + 1) * hcal.group_thickness / hcal.interaction_length
    )
    pairs = [np.stack([edges[:-1], edges[1:]], axis=1) for edges in (in_ecal, in_hcal)]
    return np.concatenate(pairs)


def _energy_axis(axes: Axes, label: str = "Energy [GeV]") -> None:
    """Make x a logarithmic axis of energies."""
    axes.set_xscale("log")
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100)
    axes.set_xlim(0.4, 130)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
