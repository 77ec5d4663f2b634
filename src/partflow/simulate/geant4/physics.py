"""Physics lists: Geant4's own, or one that needs no evaluated data.

With the stand-in data the electromagnetic physics of option 0 does not end. Option 1 does; its
coarse steps lose 12 % of the visible energy of a photon in thin silicon, which is why they are
refined here to those of option 0.
"""

from __future__ import annotations

from typing import Any

import geant4_pybind as g4

from partflow.simulate.geant4.config import Geant4Config

_STAND_IN_COMMANDS = (
    "/process/eLoss/StepFunction 0.2 1 mm",
    "/process/em/applyCuts false",
    "/process/msc/StepLimit UseSafety",
    "/process/msc/RangeFactor 0.04",
    "/process/msc/LateralDisplacement true",
)
_CONSTRUCTORS = (
    "G4DecayPhysics",
    "G4HadronElasticPhysics",
    "G4HadronPhysics{name}",
    "G4StoppingPhysics",
    "G4IonPhysics",
    "G4NeutronTrackingCut",
)
"""The reference lists, without gamma-nuclear reactions (`G4EmExtraPhysics`)."""


class _StandInPhysics(g4.G4VModularPhysicsList):
    """A reference list with electromagnetic option 1."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.SetVerboseLevel(0)
        self.RegisterPhysics(g4.G4EmStandardPhysics_option1())
        for constructor in _CONSTRUCTORS:
            self.RegisterPhysics(getattr(g4, constructor.format(name=name))())


def physics_list(config: Geant4Config) -> Any:
    """The physics list of a configuration, with a limit to the time of a particle."""
    if config.stand_in_data:
        physics = _StandInPhysics(config.physics_list)
    else:
        physics = getattr(g4, config.physics_list)()
        physics.SetVerboseLevel(0)
    physics.RegisterPhysics(g4.G4StepLimiterPhysics())
    return physics


def commands(config: Geant4Config) -> tuple[str, ...]:
    """Commands of the user interface before the initialisation."""
    quiet = ("/process/em/verbose 0", "/process/had/verbose 0")
    return (*quiet, *_STAND_IN_COMMANDS) if config.stand_in_data else quiet
