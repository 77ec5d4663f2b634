"""Options of the Geant4 engine, which several verbs have."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import OmitArgPrefixes

from partflow.core.errors import ConfigError
from partflow.simulate.geant4.config import Geant4Config

Geant4Options = Annotated[Geant4Config, OmitArgPrefixes]


def geant4_settings(engine: str, settings: Geant4Config) -> Geant4Config | None:
    """The settings for `--engine geant4`, None for `--engine fast`.

    Raises ConfigError where settings are given that the engine does not have.
    """
    if engine == "geant4":
        return settings
    if settings != Geant4Config():
        raise ConfigError("settings of Geant4 are given; give --engine geant4, too")
    return None
