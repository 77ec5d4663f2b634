"""Tracks and their states."""

from __future__ import annotations

import numpy as np

from partflow.core.detector import FACE_NONE
from partflow.core.records import Array, Collection
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import (
    AT_CALORIMETER,
    AT_FIRST_HIT,
    AT_LAST_HIT,
    AT_ORIGIN,
    AT_OTHER,
    STATE_PARAMETERS,
    TRACK_COLLECTION,
)
from partflow.ingest.edm4hep.writing.relations import list_ranges

LOCATIONS = (AT_ORIGIN, AT_FIRST_HIT, AT_LAST_HIT, AT_CALORIMETER)
"""The states of a track, in this order."""
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def track_columns(tracks: Collection) -> dict[str, MemberColumns]:
    """Tracks with their states, and the number of muon-system hits in `subdetectorHitNumbers`."""
    num_states = np.full(len(tracks), len(LOCATIONS))
    one_each = np.ones(len(tracks), dtype=np.int64)
    members = {
        "type": np.zeros(len(tracks), dtype=np.int32),
        "chi2": tracks.chi2.astype(np.float32),
        "ndf": tracks.ndf.astype(np.int32),
        "Nholes": np.zeros(len(tracks), dtype=np.int32),
        **list_ranges("trackStates", tracks.offsets, num_states),
        **list_ranges("subdetectorHitNumbers", tracks.offsets, one_each),
    }
    base = f"_{TRACK_COLLECTION}"
    return {
        TRACK_COLLECTION: MemberColumns(tracks.offsets, members),
        f"{base}_trackStates": MemberColumns(len(LOCATIONS) * tracks.offsets, _states(tracks)),
        f"{base}_subdetectorHitNumbers": MemberColumns(
            tracks.offsets, {"": tracks.num_yoke_hits.astype(np.int32)}
        ),
    }


def _states(tracks: Collection) -> dict[str, Array]:
    """Members of the states, [track x LOCATIONS].

    The location of a state is AT_OTHER where the hit is not known, or where the track does not
    reach the calorimeter. Away from the origin the reference point is on the track.
    """
    track = np.repeat(np.arange(len(tracks)), len(LOCATIONS))
    location = np.tile(LOCATIONS, len(tracks))
    state_of = {place: np.flatnonzero(location == place) for place in LOCATIONS}
    values = {member: tracks.columns[name][track] for name, member in STATE_PARAMETERS.items()}
    for name in ("D0", "Z0"):
        values[name][location != AT_ORIGIN] = 0.0
    reference = {axis: np.zeros(len(track)) for axis in ("x", "y", "z")}
    for place, name in (
        (AT_FIRST_HIT, "radius_of_innermost_hit"),
        (AT_LAST_HIT, "radius_of_outermost_hit"),
    ):
        # The record has only the radius: azimuth and z are those of a straight track.
        state, radius = state_of[place], tracks.columns[name]
        reference["x"][state] = radius * np.cos(tracks.phi)
        reference["y"][state] = radius * np.sin(tracks.phi)
        reference["z"][state] = tracks.z0 + radius * tracks.tan_lambda
        location[state[~(radius > 0)]] = AT_OTHER
    face = state_of[AT_CALORIMETER]
    for axis, coordinates in reference.items():
        coordinates[face] = tracks.columns[f"face_{axis}"]
    transverse = np.hypot(tracks.face_dx, tracks.face_dy)
    values["phi"][face] = np.arctan2(tracks.face_dy, tracks.face_dx)
    values["tanLambda"][face] = tracks.face_dz / np.maximum(transverse, SMALLEST_NORMAL)
    location[face[tracks.face_region == FACE_NONE]] = AT_OTHER
    values |= {f"referencePoint.{axis}": reference[axis] for axis in reference}
    members = {name: v.astype(np.float32) for name, v in values.items()}
    return {"location": location.astype(np.int32), **members}
