"""Report on labels in the published definition: what became of events and particles."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

BAD_REASON = "a visible particle finds no element, and the event has no cluster to merge it into"


@dataclass(frozen=True)
class PublishedReport:
    """Numbers of events, and of the particles in those that were kept. Reports add up.

    >>> (PublishedReport(num_events=2) + PublishedReport(num_events=1)).num_events
    3
    """

    num_events: int = 0
    """Events."""
    num_without_visible: int = 0
    """Events dropped because nothing in them is visible."""
    bad_event_ids: tuple[int, ...] = ()
    """Events left out because the definition cannot label them (BAD_REASON)."""
    num_on_tracks: int = 0
    """Particles placed on a track."""
    num_on_clusters: int = 0
    """Particles placed on a cluster."""
    num_merged: int = 0
    """Particles merged into another, of which only the last one counts."""
    num_forgotten: int = 0
    """Visible particles that are in no target."""

    def __add__(self, other: PublishedReport) -> PublishedReport:
        return PublishedReport(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(PublishedReport))
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON; bad events with their reason."""
        values = asdict(self)
        bad = values.pop("bad_event_ids")
        values["bad_events"] = [{"event_id": event, "reason": BAD_REASON} for event in bad]
        return values
