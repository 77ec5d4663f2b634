"""Settings of the simulation."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from partflow.core.errors import ConfigError

MODEL_VERSION = 4
"""Raise it by one whenever a constant or a formula of the simulation changes the results."""

EFFECTS = (
    "decays_in_flight", "bremsstrahlung", "fake_rate", "duplicate_rate", "noise_ecal",
    "noise_hcal", "hit_times", "hit_time_resolution", "yoke_hits",
)  # fmt: skip
"""Settings of detector effects that are off by default: the plain simulation lacks them."""
SHARED_SETTINGS = ("tracker_material", *EFFECTS)
"""Settings that every engine has; the others are of the showers of the fast one."""


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of the simulation; detector constants are in `core.detector`.

    The constants of the hadronic cascade were fitted to showers of K0L, pions and neutrons in
    Geant4 (see `fast.hadronic`), except that the energy resolution of single K0L from 5 to 50 GeV
    agrees with the fit to the full simulation of CLICdet
    (`validate.formulas.neutral_hadron_resolution`).

    Raises ConfigError for values that are impossible.
    """

    tracker_material: bool = True
    """Whether photons convert and hadrons interact in the material of the tracker."""
    max_shower_spots: int = 20_000
    """Largest number of spots of one electromagnetic shower. A shower that needs more has spots of
    higher energy, and its resolution is drawn explicitly."""
    transverse_momentum: float = 0.45
    """Scale of the transverse momentum of secondaries about their parent [GeV]."""
    nuclear_fraction_low: float = 0.65
    """Share of the energy lost to nuclei at low energy; falls as 1/(1 + (E/nuclear_energy)^2)."""
    nuclear_fraction_high: float = 0.043
    """Share of the energy lost to nuclei at high energy, added to the falling one."""
    nuclear_energy: float = 4.7
    """Energy at which the falling share has dropped to one half [GeV]."""
    nuclear_shape: float = 0.6
    """Shape of the gamma distribution of the fluctuations of the nuclear share."""
    terminal_alpha: float = 0.32
    """First parameter of the beta distribution of the visible share of a hadron that stops, for E
    near 0; both parameters grow as 1 + E/(2 GeV)."""
    terminal_beta: float = 0.15
    """Second parameter of that distribution."""
    terminal_energy: float = 5.0
    """An interaction ends the cascade with probability exp(-(E/terminal_energy)^2) [GeV]."""
    multiplicity_slope: float = 2.45
    """Mean number of secondaries is 2 + slope ln(1 + E/GeV)."""
    neutral_pion_fraction: float = 0.3
    """Share of secondaries that shower electromagnetically."""
    neutral_hadron_fraction: float = 0.14
    """Share of secondaries that are neutral hadrons; the others are charged."""
    visible_nuclear: float = 0.5
    """Visible share of the nuclear energy."""
    meson_path_factor: float = 1.03
    """Mean free path of a meson of high energy to its first interaction, in interaction lengths of
    a baryon."""
    leading_weight: float = 1.75
    """Weight that the first secondary of a baryon has in addition to its random one, which is 1.2
    on average, when the secondaries share the energy."""
    decays_in_flight: bool = False
    """Whether charged pions and kaons decay in the tracker."""
    bremsstrahlung: bool = False
    """Whether electrons radiate photons in the material of the tracker."""
    fake_rate: float = 0.0
    """Fake tracks per found track in an event of 50; their number rises with the square."""
    duplicate_rate: float = 0.0
    """Probability that a found track is found a second time, with other parameters."""
    noise_ecal: float = 0.0
    """Standard deviation of the electronic noise of an ECAL cell [MIP of one layer]."""
    noise_hcal: float = 0.0
    """Standard deviation of the electronic noise of an HCAL cell [MIP of one layer]."""
    hit_times: bool = False
    """Whether hits carry the time of their first deposit."""
    hit_time_resolution: float = 0.0
    """Standard deviation of a hit's measured time [ns]."""
    yoke_hits: bool = False
    """Whether muons and punch-through leave hits in the yoke, and tracks count those near them."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < math.inf:
                raise ConfigError(
                    f"simulation: {name} = {value}; give a finite number that is not negative"
                )
        for name in (
            "nuclear_energy",
            "nuclear_shape",
            "terminal_alpha",
            "terminal_beta",
            "terminal_energy",
            "meson_path_factor",
        ):
            if getattr(self, name) == 0:
                raise ConfigError(f"simulation: {name} = 0; give a number above 0")
        if self.max_shower_spots < 1:
            raise ConfigError("simulation: max_shower_spots = 0; give at least 1")
        shares = {
            "fake_rate": self.fake_rate,
            "duplicate_rate": self.duplicate_rate,
            "neutral_pion_fraction + neutral_hadron_fraction": self.neutral_pion_fraction
            + self.neutral_hadron_fraction,
            "visible_nuclear": self.visible_nuclear,
        }
        for name, share in shares.items():
            if share > 1:
                raise ConfigError(f"simulation: {name} = {share}; give a share of at most 1")

    def shared(self) -> dict[str, Any]:
        """The settings that every engine has, by their names."""
        return {name: getattr(self, name) for name in SHARED_SETTINGS}

    def fingerprint(self) -> str:
        """Hash of all settings and of the model's version: a calibration belongs to one.

        Effects that are off are left out: the events are the same, bit for bit, as those of a
        version without the effect.
        """
        values = {k: v for k, v in asdict(self).items() if k not in EFFECTS or v}
        values["model_version"] = MODEL_VERSION
        return hashlib.blake2b(
            json.dumps(values, sort_keys=True).encode(), digest_size=8
        ).hexdigest()


def realistic() -> SimulationConfig:
    """The configuration with all detector effects switched on.

    The rates are choices of ours. Fakes and duplicates: half a per cent each, of the order of the
    CLICdet study (arXiv:1812.07337). Noise: the thresholds of 0.5 and 0.3 MIP are 4.5 standard
    deviations, which gives some tens of noise hits per event. Time: 1 ns, the requirement of CLIC.
    """
    return SimulationConfig(
        decays_in_flight=True,
        bremsstrahlung=True,
        fake_rate=0.005,
        duplicate_rate=0.005,
        noise_ecal=0.5 / 4.5,
        noise_hcal=0.3 / 4.5,
        hit_times=True,
        hit_time_resolution=1.0,
        yoke_hits=True,
    )
