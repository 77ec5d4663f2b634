"""Energy shares in a packed data set: flat arrays with offsets of their own, or none at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from partflow.core.errors import DataError
from partflow.core.features import CLUSTER, ClusterFeature
from partflow.core.records import Array, Events, offsets_from_counts

SHARE_ARRAYS = ("share_offsets", "share_cluster", "share_owner", "share_energy")
"""Each is NAME.npy in the folder of a data set with shares."""
SHARE_TYPES: dict[str, type[np.generic]] = {
    "share_cluster": np.int32,
    "share_owner": np.int32,
    "share_energy": np.float32,
}
CLOSURE = 1e-5
"""Relative difference between a cluster's energy and the sum of its shares that single precision
may cause."""


@dataclass(frozen=True)
class PackedShares:
    """Where the energy of each cluster should go (`core.schemas.SHARES`); the shares of event
    `i` are rows `offsets[i]:offsets[i + 1]`, and count elements from the start of the event.
    """

    offsets: Array
    """[event + 1] int64."""
    cluster: Array = field(repr=False)
    """Element whose energy is shared out, [share] int32."""
    owner: Array = field(repr=False)
    """Element that holds the target it belongs to, or -1, [share] int32."""
    energy_em: Array = field(repr=False)
    """EM-scale energy [GeV], [share] float32."""

    @property
    def counts(self) -> Array:
        """Shares of each event, [event]."""
        return np.diff(self.offsets)


def rows_of_events(offsets: Array, events: Array) -> Array:
    """Rows of `events` (numbers of events), one event after the other, of arrays cut at
    `offsets` [all events + 1].
    """
    counts = np.diff(offsets)[events]
    return np.arange(counts.sum()) + np.repeat(
        offsets[:-1][events] - offsets_from_counts(counts)[:-1], counts
    )


def checked_shares(events: Events, features: Array) -> dict[str, Array]:
    """The shares of labelled events as arrays; `features` [element, feature] of their elements.

    Raises DataError, naming the event, where a share points to an element that the event does
    not have, or where the shares of an element do not sum to its energy.
    """
    shares, elements = events.shares, events.elements
    event = shares.event_index
    num_elements = elements.counts[event]
    for name, lowest in (("cluster_element", 0), ("owner_element", -1)):
        index = shares.columns[name]
        is_outside = (index < lowest) | (index >= num_elements)
        if np.any(is_outside):
            row = np.flatnonzero(is_outside)[0]
            raise DataError(
                f"event {events.event_id[event[row]]}: shares.{name} is {index[row]} of "
                f"{num_elements[row]} elements; label the events again"
            )
    row = elements.flat_index(event, shares.cluster_element)
    total = np.bincount(row, shares.energy_em, len(elements))
    is_cluster = features[:, ClusterFeature.TYPE] == CLUSTER
    energy = np.where(is_cluster, features[:, ClusterFeature.ENERGY], 0.0)
    is_open = ~(np.abs(total - energy) <= CLOSURE * np.abs(energy))  # true for NaN, too
    if np.any(is_open):
        first = np.flatnonzero(is_open)[0]
        raise DataError(
            f"event {events.event_id[elements.event_index[first]]}: shares of an element sum to "
            f"{total[first]:.6g} GeV of {energy[first]:.6g} GeV; label the events again"
        )
    return {
        "share_cluster": shares.cluster_element,
        "share_owner": shares.owner_element,
        "share_energy": shares.energy_em,
    }
