"""The configuration of the generation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self

from partflow.core.detector import Detector
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLIC
from partflow.generate.processes import GUN, PROCESSES

MAX_SEED = 900_000_000
"""Largest seed of Pythia."""


@dataclass(frozen=True)
class Gun:
    """One particle per event, from the origin."""

    pdg_id: int = 22
    """PDG id of the particle (22 photon, 211 pi+, 130 K0L, 11 e-, 13 mu-, ...)."""
    energy: tuple[float, float] = (1.0, 100.0)
    """Lowest and highest total energy [GeV], drawn uniformly in its logarithm."""
    cos_theta: tuple[float, float] = (-0.95, 0.95)
    """Lowest and highest cosine of the polar angle, drawn uniformly."""

    def __post_init__(self) -> None:
        low, high = self.energy
        if not 0 < low <= high:
            raise ConfigError(f"gun energy {low} to {high} GeV: give 0 < lowest <= highest")
        first, last = self.cos_theta
        if not -1 <= first <= last <= 1:
            raise ConfigError(f"gun cos(theta) {first} to {last}: give -1 <= first <= last <= 1")


@dataclass(frozen=True)
class GenerationConfig:
    """Process, number of events and seed. Raises ConfigError for values out of range."""

    process: str = "ttbar"
    """Physics process: qq, uds, ttbar, ww, zh, or gun for single particles."""
    num_events: int = 200
    """Number of events."""
    seed: int = 1
    """Seed; the same seed gives the same events."""
    energy: float = 380.0
    """Centre-of-mass energy [GeV]; not used by the gun."""
    gun: Gun = field(default_factory=Gun)
    """Single particles, for --process gun."""
    decay_radius: float = CLIC.ecal.inner_radius
    """K0S and hyperons decay inside this radius, that of the tracker [mm]; those that live longer
    reach the calorimeter."""
    decay_half_length: float = CLIC.ecal.endcap_z
    """K0S and hyperons decay inside this abs(z), that of the tracker [mm]."""

    def __post_init__(self) -> None:
        if self.process != GUN and self.process not in PROCESSES:
            known = ", ".join([*PROCESSES, GUN])
            raise ConfigError(f"process {self.process!r} is unknown; choose one of {known}")
        if self.num_events < 0:
            raise ConfigError(f"{self.num_events} events: give a number of at least 0")
        if not 0 <= self.seed < MAX_SEED:
            raise ConfigError(f"seed {self.seed}: give one from 0 to {MAX_SEED - 1}")
        for name in ("decay_radius", "decay_half_length"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} {getattr(self, name)} mm: give one of at least 0")
        if self.process != GUN and not self.energy >= PROCESSES[self.process].threshold:
            raise ConfigError(
                f"{self.energy} GeV is below the threshold of {self.process} "
                f"({PROCESSES[self.process].threshold:g} GeV); give a higher --energy"
            )

    def made_for(self, detector: Detector) -> Self:
        """This configuration with decays inside the tracker of `detector`."""
        face = detector.ecal
        return replace(self, decay_radius=face.inner_radius, decay_half_length=face.endcap_z)
