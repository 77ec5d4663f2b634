"""The targets of a validation, as data: each a figure with its bounds, their source and unit.

Targets and tolerances are those of the specification of the simulation (section 12). They come from
measurements with its prototype (section 9), from fits to the full simulation of CLICdet, and from
the jet energy resolutions quoted for CLICdet and ILD; `source` says which. One target is added:
particle flow must measure the energy of two jets better than the clusters alone.

The bounds on baseline / perfect refer to a perfect particle flow that measures a particle by its
own track or else by the calorimeters, as the specification and its prototype define it. `PERFECT`
also uses the tracks of secondaries and is 5 to 9 % narrower in hard jets. No target exists for the
ratio to it, so it stands among the comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.core.candidate_sets import BASELINE, TARGET
from partflow.validate.measure.collisions import PERFECT_OWN_TRACKS
from partflow.validate.samples import COLLISIONS, shower_name, track_name
from partflow.validate.table.criterion import (
    COUNT,
    FINE,
    PERCENT,
    PLAIN,
    ROUGH,
    Criterion,
    Unit,
)


def targets() -> list[Criterion]:
    """All lines with a target."""
    return [
        *_photons(),
        *_neutral_hadrons(),
        *_tracks(),
        *_events(),
        *_jet_energy(),
        *_jets(),
    ]


def _within(target: float, tolerance: float) -> dict[str, float]:
    """Bounds of a target with a relative tolerance."""
    return {"low": target * (1 - tolerance), "high": target * (1 + tolerance)}


def _photons() -> Iterator[Criterion]:
    """Resolution and scale of photon showers."""
    section = "Photons, barrel, no tracker material"
    for energy, percent in ((10, 5.2), (50, 2.4)):
        yield Criterion(
            section,
            f"sigma/E at {energy} GeV",
            f"{shower_name('photon', energy)}: resolution",
            f"{percent} % ± 10 %",
            "prototype",
            PERCENT,
            **_within(percent / 100, 0.10),
        )
    for energy in (1, 2, 5, 10, 20, 50, 100):
        yield Criterion(
            section,
            f"mean response at {energy} GeV",
            f"{shower_name('photon', energy)}: mean",
            "1.00 ± 2 %",
            "EM scale",
            PLAIN,
            **_within(1.0, 0.02),
        )


def _neutral_hadrons() -> Iterator[Criterion]:
    """Scale and resolution of K0L showers."""
    section = "Neutral hadrons (K0L), barrel, no tracker material"
    for energy in (2, 5, 10, 20, 50):
        # The specification accepts the 1.08 of its prototype at 2 GeV.
        high, target = (1.08, "0.94 to 1.08") if energy == 2 else (1.06, "1.00 ± 6 %")
        yield Criterion(
            section,
            f"median response at {energy} GeV",
            f"{shower_name('k0l', energy)}: median",
            target,
            "calibration",
            low=0.94,
            high=high,
        )
    for energy, percent, source in (
        (5, 31, "CLICdet fit"),
        (10, 16, "prototype, CLICdet fit"),
        (20, 12, "prototype, CLICdet fit"),
        (50, 8, "prototype, CLICdet fit"),
    ):
        yield Criterion(
            section,
            f"IQR/1.349/median at {energy} GeV",
            f"{shower_name('k0l', energy)}: resolution",
            f"{percent} % ± 15 %",
            source,
            PERCENT,
            **_within(percent / 100, 0.15),
        )


def _tracks() -> Iterator[Criterion]:
    """Momentum resolution, and the definition of the track parameters."""
    section = "Tracks"
    yield Criterion(
        section,
        "sigma(1/pT), central, 100 GeV",
        f"{track_name('central', 100)}: sigma_inverse_pt",
        "2.5 ± 10 %",
        "CLICdet fit",
        Unit("×10⁻⁵/GeV", 1e5, 2),
        **_within(2.5e-5, 0.10),
    )
    yield Criterion(
        section,
        "vertex to the helix of its perigee, largest",
        "ttbar: perigee miss",
        "below 1 µm",
        "definition",
        Unit("µm", 1e3, 6),
        low=0.0,
        high=1e-3,
    )


def _events() -> Iterator[Criterion]:
    """Multiplicities, and the sum of the contributions to each hit."""
    section = "Events"
    for name, target in (("hits", 4130), ("tracks", 49), ("clusters", 131)):
        yield Criterion(
            section,
            f"{name} per event, ttbar",
            f"ttbar: {name}",
            f"{target} ± 15 %",
            "prototype",
            COUNT,
            **_within(target, 0.15),
        )
    for sample in COLLISIONS:
        yield Criterion(
            section,
            f"hit energy = its contributions, {sample}",
            f"{sample}: closure",
            "below 1 ×10⁻⁵",
            "definition",
            Unit("×10⁻⁵", 1e5, 3),
            low=0.0,
            high=1e-5,
        )


BELOW_ONE = float(np.nextafter(1.0, 0.0))
"""Upper bound of what must be less than one."""
JET_ENERGY_SECTION = "Jet energy of uds events, |cos θ| < 0.7"


def _jet_energy() -> Iterator[Criterion]:
    """Resolution and scale of the energy of two-jet events."""
    for sample, jet, percent, low, high in (
        ("uds-91", 45, 3.4, 2.8, 4.8),
        ("uds-200", 100, 3.2, 2.7, 4.2),
        ("uds-380", 190, 3.3, 2.8, 4.0),
    ):
        yield Criterion(
            JET_ENERGY_SECTION,
            f"RMS90/mean90 of {jet} GeV jets, baseline",
            f"{sample}: rms90 {BASELINE}",
            f"{percent} %, from {low} to {high}",
            "prototype, CLICdet, ILD",
            PERCENT,
            low=low / 100,
            high=high / 100,
        )
        yield Criterion(
            JET_ENERGY_SECTION,
            f"mean90 of {jet} GeV jets, baseline",
            f"{sample}: mean90 {BASELINE}",
            "1.00 ± 1.5 %",
            "energy closes",
            PLAIN,
            **_within(1.0, 0.015),
        )
        yield Criterion(
            JET_ENERGY_SECTION,
            f"RMS90, baseline / calorimeter alone, {jet} GeV",
            f"{sample}: rms90 baseline/calorimeter",
            "below 1",
            "what particle flow is for",
            low=0.0,
            high=BELOW_ONE,
        )


JETS_SECTION = "Jets, IQR/median of the response"
JET_BINS = {
    sample: ("10-20", "20-40", "40-80", *(() if sample == "uds-91" else ("80-200",)))
    for sample in COLLISIONS
}
"""Bins in pT [GeV] above 10 GeV that hold jets, of each sample."""


def _jets() -> Iterator[Criterion]:
    """Widths of the jet response relative to other candidate sets, and those of target jets."""
    section = JETS_SECTION
    for sample in COLLISIONS:
        yield Criterion(
            section,
            f"baseline / calorimeter alone, {sample}",
            f"{sample}: jet baseline/calorimeter",
            "below 1",
            "what particle flow is for",
            low=0.0,
            high=BELOW_ONE,
        )
    for sample, bins in JET_BINS.items():
        for interval in bins:
            yield Criterion(
                section,
                f"baseline / {PERFECT_OWN_TRACKS}, {sample}, {interval} GeV",
                f"{sample}: jet baseline/{PERFECT_OWN_TRACKS} {interval}",
                "1.1 to 2.2",
                "prototype",
                ROUGH,
                low=1.1,
                high=2.2,
            )
    for sample in COLLISIONS:
        yield Criterion(
            section,
            f"median of target jets, {sample}",
            f"{sample}: jet median {TARGET}",
            "1.000",
            "definition",
            FINE,
            low=0.9995,
            high=1.0005,
        )
        yield Criterion(
            section,
            f"IQR of target jets, {sample}",
            f"{sample}: jet iqr {TARGET}",
            "below 1 ×10⁻³",
            "prototype",
            Unit("×10⁻³", 1e3, 3),
            low=0.0,
            high=1e-3,
        )
