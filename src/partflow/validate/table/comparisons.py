"""Lines without a target: figures that the table only compares with the prototype or a fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.core.candidate_sets import PERFECT
from partflow.validate.formulas import neutral_hadron_resolution
from partflow.validate.measure.collisions import CALORIMETER
from partflow.validate.samples import particle_name, shower_name, track_name
from partflow.validate.table.criterion import (
    COUNT,
    GEV,
    GEV_PER_EVENT,
    MICRON,
    PERCENT,
    PLAIN,
    ROUGH,
    Criterion,
    Unit,
)
from partflow.validate.table.targets import JET_BINS, JET_ENERGY_SECTION, JETS_SECTION

PROTOTYPE, FIT = "prototype", "CLICdet fit"


def comparisons() -> list[Criterion]:
    """All lines without a target."""
    return [*_showers(), *_tracks(), *_particles(), *_jet_energy(), *_jets(), *_clusters()]


def _fit(energy: float) -> str:
    """Resolution of neutral hadrons of `energy` [GeV] by the fit, as the table shows it."""
    return f"{100 * float(neutral_hadron_resolution(energy)):.0f} %"


SHOWERS: tuple[tuple[str, str, int, str, str, str, Unit], ...] = (
    # kind, label, energy [GeV], figure, value for comparison, source, unit
    ("photon", "photon sigma/E", 1, "resolution", "15.6 %", PROTOTYPE, PERCENT),
    ("photon", "photon sigma/E", 100, "resolution", "2.0 %", PROTOTYPE, PERCENT),
    ("photon", "photon energy in the HCAL", 50, "leakage", "0.4 to 1.5 %", PROTOTYPE, PERCENT),
    ("k0l", "K0L IQR/1.349/median", 2, "resolution", _fit(2), FIT, PERCENT),
    ("pion", "pion IQR/1.349/median", 5, "resolution", "17.5 %", PROTOTYPE, PERCENT),
    ("pion", "pion IQR/1.349/median", 20, "resolution", "10.1 %", PROTOTYPE, PERCENT),
    ("pion", "pion IQR/1.349/median", 50, "resolution", "7.4 %", PROTOTYPE, PERCENT),
    ("muon", "muon energy in the ECAL", 20, "ecal", "0.25 GeV", PROTOTYPE, GEV),
    ("muon", "muon energy in the HCAL", 20, "hcal", "1.64 GeV", PROTOTYPE, GEV),
    ("muon", "muon hits", 20, "hits", "51", PROTOTYPE, COUNT),
)


def _showers() -> Iterator[Criterion]:
    """Calorimeter showers alone."""
    section = "Single particles, barrel, no tracker material"
    for kind, label, energy, figure, comparison, source, unit in SHOWERS:
        name = f"{shower_name(kind, energy)}: {figure}"
        yield Criterion(section, f"{label} at {energy} GeV", name, comparison, source, unit)


def _tracks() -> Iterator[Criterion]:
    """Tracks alone."""
    section = "Tracks"
    for energy, micron in ((1, 16), (5, 5.8), (20, 5.2), (100, 5.0)):
        label, sample = f"sigma(D0), central, {energy} GeV", track_name("central", energy)
        yield Criterion(section, label, f"{sample}: sigma_d0", f"{micron} µm", PROTOTYPE, MICRON)
    for place, region, energy, percent in (
        ("central", "central", 5, 99.4),
        ("forward", "|cos θ| 0.90-0.95", 1, 97),
    ):
        label, sample = f"efficiency, {region}, {energy} GeV", track_name(place, energy)
        yield Criterion(section, label, f"{sample}: efficiency", f"{percent} %", PROTOTYPE, PERCENT)
    label, sample = "sigma(pT)/pT, |cos θ| 0.90-0.95, 20 GeV", track_name("forward", 20)
    yield Criterion(section, label, f"{sample}: sigma_pt", "1.8 to 1.9 %", PROTOTYPE, PERCENT)


CHAIN: dict[tuple[str, int], tuple[float, float, float]] = {
    # (kind, energy [GeV]): median, resolution [%], number of candidates
    ("photon", 1): (0.98, 18.0, 1.10),
    ("photon", 10): (1.00, 5.2, 1.27),
    ("photon", 50): (1.00, 2.2, 1.41),
    ("k0l", 2): (1.03, 29, 1.29),
    ("k0l", 10): (0.98, 16, 1.64),
    ("k0l", 50): (0.97, 8.9, 2.02),
    ("pion", 5): (1.001, 3.5, 1.32),
    ("pion", 20): (1.002, 1.4, 1.48),
    ("pion", 50): (1.003, 0.9, 1.78),
    ("neutron", 5): (0.79, 22, np.nan),
}
"""Results of the prototype for single particles; NaN for an unknown number."""


def _particles() -> Iterator[Criterion]:
    """Single particles through the whole chain."""
    section = "Single particles through the whole chain"
    for (kind, energy), (median, resolution, candidates) in CHAIN.items():
        sample, gun = particle_name(kind, energy), f"{kind}, {energy} GeV"
        figures = [
            ("median response", "median", f"{median}", PLAIN),
            ("IQR/1.349/median", "resolution", f"{resolution} %", PERCENT),
        ]
        if np.isfinite(candidates):
            figures.append(("candidates", "candidates", f"{candidates}", ROUGH))
        for label, figure, comparison, unit in figures:
            name = f"{sample}: {figure}"
            yield Criterion(section, f"{label}, {gun}", name, comparison, PROTOTYPE, unit)


def _jet_energy() -> Iterator[Criterion]:
    """Energy of two-jet events by the other candidate sets."""
    for sample, jet, calorimeter, perfect in (
        ("uds-91", 45, 5.19, 2.41),
        ("uds-200", 100, 3.68, 1.62),
        ("uds-380", 190, 2.93, 1.20),
    ):
        for candidates, percent in ((CALORIMETER, calorimeter), (PERFECT, perfect)):
            label = f"RMS90/mean90 of {jet} GeV jets, {candidates}"
            name = f"{sample}: rms90 {candidates}"
            yield Criterion(JET_ENERGY_SECTION, label, name, f"{percent} %", PROTOTYPE, PERCENT)


def _jets() -> Iterator[Criterion]:
    """Widths of the jet response relative to perfect particle flow."""
    for sample, bins in JET_BINS.items():
        for interval in bins[1:]:
            label = f"baseline / {PERFECT}, {sample}, {interval} GeV"
            name = f"{sample}: jet baseline/{PERFECT} {interval}"
            yield Criterion(JETS_SECTION, label, name, "", "", ROUGH)


def _clusters() -> Iterator[Criterion]:
    """Purity and completeness, and the energy that the baseline misplaces."""
    section = "Clusters of the baseline"
    for sample, purity, completeness, merged, split in (
        ("ttbar", 0.95, 0.93, 14, 18),
        ("uds-380", 0.91, 0.91, 22, 23),
    ):
        for figure, comparison, source, unit in (
            ("purity", f"{purity}", PROTOTYPE, PLAIN),
            ("completeness", f"{completeness}", PROTOTYPE, PLAIN),
            ("merged clusters", f"{merged} %", PROTOTYPE, PERCENT),
            ("split particles", f"{split} %", PROTOTYPE, PERCENT),
            ("energy absorbed", "", "", GEV_PER_EVENT),
            ("energy counted twice", "", "", GEV_PER_EVENT),
        ):
            name = f"{sample}: {figure}"
            yield Criterion(section, f"{figure}, {sample}", name, comparison, source, unit)
