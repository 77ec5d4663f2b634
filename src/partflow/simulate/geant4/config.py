"""Settings of the Geant4 engine."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from partflow.core.detector import json_fingerprint
from partflow.core.errors import ConfigError

MODEL_VERSION = 1
"""Raise it by one whenever geometry, physics or digitisation of the engine changes results."""
PHYSICS_LISTS = (
    "FTFP_BERT", "FTFP_BERT_HP", "FTFP_INCLXX", "QGSP_BERT", "QGSP_BERT_HP", "QGSP_BIC",
    "QGSP_BIC_HP",
)  # fmt: skip
"""Reference physics lists of Geant4; Key4HEP's detectors are simulated with the first."""
STAND_IN_PHYSICS_LISTS = ("FTFP_BERT", "QGSP_BERT", "QGSP_BIC")
"""Those that need no evaluated neutron data."""


@dataclass(frozen=True)
class Geant4Config:
    """Physics and time window of the Geant4 engine.

    Raises ConfigError for values that are impossible.
    """

    physics_list: str = "FTFP_BERT"
    """Reference physics list, by its name in Geant4."""
    range_cut: float = 0.7
    """Least range of electrons, positrons and photons that are made as particles [mm]."""
    window_start: float = -1.0
    """Deposits earlier than this are not measured [ns after light from the collision]."""
    window_end: float = 10.0
    """Deposits later than this are not measured [ns after light from the collision]. 10 ns is
    the window of CLICdet's reconstruction."""
    stand_in_data: bool = False
    """Whether to use data sets by simple formulas instead of Geant4's own (for tests)."""

    def __post_init__(self) -> None:
        lists = STAND_IN_PHYSICS_LISTS if self.stand_in_data else PHYSICS_LISTS
        if self.physics_list not in lists:
            with_data = " with --stand-in-data" if self.stand_in_data else ""
            raise ConfigError(
                f"physics list {self.physics_list!r} is unknown{with_data}; "
                f"choose one of {', '.join(lists)}"
            )
        if not 0 < self.range_cut < math.inf:
            raise ConfigError(f"geant4: range_cut = {self.range_cut}; give a length above 0 mm")
        if not -math.inf < self.window_start < self.window_end < math.inf:
            raise ConfigError(
                f"geant4: the time window is from {self.window_start} to {self.window_end} ns; "
                "its end must come after its start"
            )

    def fingerprint(self) -> str:
        """Hash of these settings and of the engine's version: a calibration belongs to one."""
        return json_fingerprint({"model_version": MODEL_VERSION, **asdict(self)})
