"""Rows of the events of a packed batch, and of the tracks and clusters in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from partflow.core.errors import DataError
from partflow.core.features import CLUSTER, TRACK, TrackFeature


class EventRows(NamedTuple):
    """Rows of one event, tracks first: tracks are `begin:middle`, clusters are `middle:end`."""

    begin: int
    middle: int
    end: int

    @property
    def num_tracks(self) -> int:
        """Number of tracks."""
        return self.middle - self.begin

    @property
    def num_clusters(self) -> int:
        """Number of clusters."""
        return self.end - self.middle


class Layout(NamedTuple):
    """Rows of each event that is not empty, and of all tracks and clusters."""

    events: tuple[EventRows, ...]
    track_rows: Int[Tensor, " track"]
    cluster_rows: Int[Tensor, " cluster"]


def layout(features: Float[Tensor, "element feature"], counts: Sequence[int]) -> Layout:
    """Layout of events with `counts` elements each, in each of which tracks come first.

    Raises DataError for an element that is neither a track nor a cluster.
    """
    element_type = features[:, TrackFeature.TYPE]
    is_track = element_type == TRACK
    track_rows = torch.nonzero(is_track).flatten()
    cluster_rows = torch.nonzero(element_type == CLUSTER).flatten()
    if len(track_rows) + len(cluster_rows) != len(features):
        other = element_type[~is_track & (element_type != CLUSTER)][0].item()
        raise DataError(
            f"elements.type = {other:g}: this network takes tracks ({TRACK}) and clusters "
            f"({CLUSTER}) only; leave other elements out or use a model made for them"
        )
    tracks_before = [0, *torch.cumsum(is_track, 0).tolist()]
    events, begin = [], 0
    for count in counts:
        end = begin + count
        if count:
            num_tracks = tracks_before[end] - tracks_before[begin]
            events.append(EventRows(begin, begin + num_tracks, end))
        begin = end
    return Layout(tuple(events), track_rows, cluster_rows)


def events_of_counts(counts: Sequence[int]) -> tuple[EventRows, ...]:
    """Rows of each event that is not empty, for networks that do not ask which are tracks.

    All elements count as tracks.
    """
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).tolist()
    return tuple(EventRows(a, b, b) for a, b in itertools.pairwise(offsets) if b > a)


def tracks_first(
    features: Float[Tensor, "element feature"], event_index: Int[Tensor, " element"]
) -> Int[Tensor, " element"] | None:
    """The order that puts the tracks of each event first; None where they come first already."""
    key = 2 * event_index + (features[:, TrackFeature.TYPE] != TRACK)
    if bool((key[1:] >= key[:-1]).all()):
        return None
    return torch.argsort(key, stable=True)


def interleave(
    rows: Layout, of_tracks: Float[Tensor, "track _"], of_clusters: Float[Tensor, "cluster _"]
) -> Float[Tensor, "element _"]:
    """Rows of tracks and of clusters as rows of the elements."""
    values = torch.cat([of_tracks, of_clusters])
    element_rows = torch.cat([rows.track_rows, rows.cluster_rows])
    return torch.empty_like(values).index_copy(0, element_rows, values)
