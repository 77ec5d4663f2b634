"""Physics lists: the reference lists of Geant4, with a limit to the time of a particle."""

from __future__ import annotations

from typing import Any

from partflow.simulate.geant4.binding import g4
from partflow.simulate.geant4.config import Geant4Config

COMMANDS = ("/process/em/verbose 0", "/process/had/verbose 0")
"""Commands of the user interface before the initialisation."""


def physics_list(config: Geant4Config) -> Any:
    """The reference list of a configuration.

    The step limiter stops particles at the time limit of their volume (`geometry.build`).
    """
    physics = getattr(g4, config.physics_list)()
    physics.SetVerboseLevel(0)
    physics.RegisterPhysics(g4.G4StepLimiterPhysics())
    return physics
