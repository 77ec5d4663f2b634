"""How targets are defined: what can be chosen, and what was found best."""

from __future__ import annotations

from dataclasses import dataclass

from partflow.core.errors import ConfigError

DEFINITIONS = ("closed",)
SECONDARY_TRACKS = ("none", "leading", "each")


@dataclass(frozen=True)
class LabelConfig:
    """The closed target definition, and its one choice."""

    definition: str = "closed"
    """closed: every visible GeV is in exactly one target."""
    secondary_tracks: str = "each"
    """What becomes of the tracks of secondaries of a particle whose own track was not found.
    none: nothing, the particle sits on a cluster. leading: the track of largest pt carries the
    whole particle, as in the published definition. each: every such track carries what it
    measures, and what is left of the particle sits on a cluster."""

    def __post_init__(self) -> None:
        for name, known in (("definition", DEFINITIONS), ("secondary_tracks", SECONDARY_TRACKS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"label.{name} = {value!r}; choose one of {', '.join(known)}")
