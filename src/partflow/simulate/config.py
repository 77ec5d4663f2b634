"""What can be set in the simulation, and the same as plain numbers for compiled kernels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

from partflow.core.errors import ConfigError

MODEL_VERSION = 1
"""Raised by one whenever a constant or a formula of this room changes: results change with it."""


class Cascade(NamedTuple):
    """Constants of the hadronic cascade for kernels; `SimulationConfig` describes them."""

    transverse_momentum: float
    nuclear_fraction_low: float
    nuclear_fraction_high: float
    nuclear_shape: float
    terminal_alpha: float
    terminal_beta: float
    terminal_energy: float
    multiplicity_slope: float
    neutral_pion_fraction: float
    neutral_hadron_fraction: float
    visible_nuclear_local: float
    visible_nuclear_remote: float
    meson_path_factor: float


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of the fast simulation; detector constants live in `core.detector`.

    The constants of the hadronic cascade were tuned to the energy resolution of single K0L
    (50 %/sqrt(E)); they have no source outside this project.
    """

    tracker_material: bool = True
    """Whether photons convert and hadrons interact in the material of the tracker."""
    kink_finder_efficiency: float = 0.85
    """Probability that a secondary's track is recognised as a daughter of a found track."""
    max_shower_spots: int = 20_000
    """Spots of one electromagnetic shower; above, spots grow and the resolution is explicit."""
    transverse_momentum: float = 0.35
    """Scale of the transverse momentum of secondaries about their parent [GeV]."""
    nuclear_fraction_low: float = 0.65
    """Share of the energy spent on nuclei at low energy, falling as 1/(1 + E/2 GeV)."""
    nuclear_fraction_high: float = 0.08
    """The same share at high energy, added to the falling one."""
    nuclear_shape: float = 0.7
    """Shape of the gamma distribution by which the nuclear share fluctuates."""
    terminal_alpha: float = 0.7
    """First parameter of the beta distribution of the visible share of a stopping hadron."""
    terminal_beta: float = 0.5
    """Its second parameter."""
    terminal_energy: float = 2.0
    """Energy below which an interaction ends the cascade [GeV]."""
    multiplicity_slope: float = 1.5
    """Mean number of secondaries is 2 + slope ln(1 + E/GeV)."""
    neutral_pion_fraction: float = 0.25
    """Share of secondaries that shower electromagnetically."""
    neutral_hadron_fraction: float = 0.14
    """Share of secondaries that are neutral hadrons; the rest are charged."""
    visible_nuclear_local: float = 0.50
    """Visible share of the nuclear energy at the interaction."""
    visible_nuclear_remote: float = 0.08
    """Visible share of the nuclear energy far from it, carried by neutrons."""
    meson_path_factor: float = 1.2
    """First interaction of a meson, in interaction lengths of a baryon."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:
                raise ConfigError(f"simulation: {name} = {value}; it cannot be negative")
        for name in ("nuclear_shape", "terminal_alpha", "terminal_beta", "meson_path_factor"):
            if getattr(self, name) == 0:
                raise ConfigError(f"simulation: {name} = 0; it must be positive")
        if self.max_shower_spots < 1:
            raise ConfigError("simulation: max_shower_spots = 0; a shower needs a spot")
        shares = {
            "kink_finder_efficiency": self.kink_finder_efficiency,
            "neutral_pion_fraction + neutral_hadron_fraction": self.neutral_pion_fraction
            + self.neutral_hadron_fraction,
            "visible_nuclear_local + visible_nuclear_remote": self.visible_nuclear_local
            + self.visible_nuclear_remote,
        }
        for name, share in shares.items():
            if share > 1:
                raise ConfigError(f"simulation: {name} = {share}; a share is at most 1")

    def cascade(self) -> Cascade:
        """The constants of the hadronic cascade, as kernels take them."""
        return Cascade(*(float(getattr(self, name)) for name in Cascade._fields))

    def fingerprint(self) -> str:
        """Hash of every setting and of the model's version: a calibration belongs to one."""
        values = {**asdict(self), "model_version": MODEL_VERSION}
        return hashlib.blake2b(
            json.dumps(values, sort_keys=True).encode(), digest_size=8
        ).hexdigest()
