"""Configuration of the target definition."""

from __future__ import annotations

from dataclasses import dataclass

from partflow.core.errors import ConfigError

DEFINITIONS = ("closed",)
SECONDARY_TRACKS = ("none", "leading", "each")


@dataclass(frozen=True)
class LabelConfig:
    """The closed target definition and its options."""

    definition: str = "closed"
    """closed: the energy of every visible particle is in exactly one target."""
    secondary_tracks: str = "each"
    """Targets of the secondary tracks of a particle whose own track was not found.
    none: no target, the particle is on a cluster. leading: the track of largest pt carries the
    whole particle, as in the published definition. each: every such track carries what it
    measures, and the remainder of the particle is on a cluster."""

    def __post_init__(self) -> None:
        for name, known in (("definition", DEFINITIONS), ("secondary_tracks", SECONDARY_TRACKS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"label.{name} = {value!r}; choose one of {', '.join(known)}")
