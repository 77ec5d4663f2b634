"""Refitted tracks: perigee and calorimeter face from their states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import (
    FACE_BARREL,
    FACE_ENDCAP,
    FACE_NONE,
    LIGHT_SPEED,
    Detector,
)
from partflow.core.errors import SchemaError
from partflow.core.records import TRACKS, UNREFITTED_STATES, Array, Collection
from partflow.ingest.edm4hep.columns import Columns, EntryRange, read_jagged, read_members
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import follow

TRACK_COLLECTION, UNREFITTED_COLLECTION = "SiTracks_Refitted", "SiTracks"
MEMBERS = ("chi2", "ndf", "trackStates_begin", "trackStates_end")
LOST_IN_NEW_LAYOUT = ("dEdx", "dEdxError", "radiusOfInnermostHit")
PERIGEE = {"phi": "phi", "tan_lambda": "tanLambda", "d0": "D0", "z0": "Z0", "omega": "omega"}
"""Our names of a state's parameters, and EDM4hep's."""
REFERENCE = ("referencePoint.x", "referencePoint.y", "referencePoint.z")
AT_OTHER, AT_FIRST_HIT, AT_CALORIMETER = 0, 2, 4
"""`edm4hep::TrackState::location`. The state at the origin is the first in a track's list."""


class FileTracks(NamedTuple):
    """Tracks of a range of events, refitted and not."""

    tracks: Collection
    unrefitted_states: Collection


def read_tracks(
    file: PodioFile, entries: EntryRange, detector: Detector, faults: Faults
) -> FileTracks:
    """Tracks with their parameters at the origin and their place at the calorimeter face.

    What is not finite becomes 0. A track without states faults its event.
    """
    raw = read_members(file, TRACK_COLLECTION, MEMBERS, entries, LOST_IN_NEW_LAYOUT)
    states = _read_states(file, TRACK_COLLECTION, entries)
    listed = follow(raw, "trackStates", states.counts, faults, f"the states of {TRACK_COLLECTION}")
    first = np.full(raw.num_rows, -1, dtype=np.int64)
    first[listed.owner[::-1]] = listed.entry[::-1]
    faults.add(raw.event_index, first < 0, f"a track of {TRACK_COLLECTION} without states")
    perigee = _parameters(states, first)
    omega = perigee["omega"]
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = LIGHT_SPEED * detector.magnetic_field / np.abs(omega)
    radius = raw["radiusOfInnermostHit"]
    if f"{TRACK_COLLECTION}.radiusOfInnermostHit" not in file.branches:
        inner = _state_at(AT_FIRST_HIT, states, listed.owner, listed.entry, raw.num_rows)
        radius = np.hypot(_taken(states, REFERENCE[0], inner), _taken(states, REFERENCE[1], inner))
    columns = {
        "charge": np.sign(np.nan_to_num(omega)),
        "pt": pt,
        **perigee,
        "chi2": raw["chi2"],
        "ndf": raw["ndf"],
        "dedx": raw["dEdx"],
        "dedx_error": raw["dEdxError"],
        "radius_of_innermost_hit": radius,
        **_face(states, listed.owner, listed.entry, raw.num_rows, detector),
        **_own_columns(file, entries, raw),
    }
    tracks = Collection(TRACKS, raw.offsets, _finite(columns))
    return FileTracks(tracks, _unrefitted(file, entries, raw, tracks))


def _own_columns(file: PodioFile, entries: EntryRange, raw: Columns) -> dict[str, Array]:
    """What EDM4hep has no member for; in the files of others it is not known."""
    if not file.made_by_partflow:
        return {name: np.zeros(raw.num_rows) for name in ("num_yoke_hits", "is_prong")}
    numbers = read_jagged(file, f"_{TRACK_COLLECTION}_subdetectorHitNumbers", entries)[1]
    is_prong = read_members(file, TRACK_COLLECTION, ["type"], entries)["type"]
    return {"num_yoke_hits": numbers, "is_prong": is_prong}


def _read_states(file: PodioFile, collection: str, entries: EntryRange) -> Columns:
    base = file.vector(collection, "trackStates", "omega")
    if base is None:
        raise SchemaError(
            f"{file.path}: no states of '{collection}' in the event tree; is this a REC file?"
        )
    members = ("location", *PERIGEE.values(), *REFERENCE)
    return read_members(file, base, members, entries, ["time"])


def _unrefitted(
    file: PodioFile, entries: EntryRange, raw: Columns, tracks: Collection
) -> Collection:
    """States of the fit before the last, found where the refitted track's own states begin.

    The published data sets are made so. Where there is no such fit, or not so many states, the
    refitted state stands.
    """
    columns = {f.name: tracks.columns[f.name].copy() for f in UNREFITTED_STATES.fields}
    base = file.vector(UNREFITTED_COLLECTION, "trackStates", "omega") if file.is_old else None
    if base is not None:
        states = read_members(file, base, tuple(PERIGEE.values()), entries, ["time"])
        begin = raw["trackStates_begin"].astype(np.int64)
        event = raw.event_index
        has_state = begin < states.counts[event]
        row = np.where(has_state, states.offsets[:-1][event] + begin, -1)
        found = _finite(_parameters(states, row))
        for name, values in found.items():
            columns[name][has_state] = values[has_state]
    return Collection(UNREFITTED_STATES, raw.offsets, columns)


def _parameters(states: Columns, row: Array) -> dict[str, Array]:
    """Perigee parameters and time of the states in `row`; 0 for row -1."""
    names = {**PERIGEE, "time": "time"}
    return {ours: _taken(states, theirs, row) for ours, theirs in names.items()}


def _taken(states: Columns, name: str, row: Array) -> Array:
    values = np.zeros(len(row))
    values[row >= 0] = states[name][row[row >= 0]]
    return values


def _state_at(location: int, states: Columns, owner: Array, entry: Array, num: int) -> Array:
    """Row of each track's state at `location`, or -1, [track]."""
    is_it = states["location"][entry] == location
    row = np.full(num, -1, dtype=np.int64)
    row[owner[is_it]] = entry[is_it]
    return row


def _face(
    states: Columns, owner: Array, entry: Array, num: int, detector: Detector
) -> dict[str, Array]:
    """Where and in which direction each track meets the calorimeter; for one that does not, its
    state elsewhere, if there is one.
    """
    at_face = _state_at(AT_CALORIMETER, states, owner, entry, num)
    has_face = at_face >= 0
    row = np.where(has_face, at_face, _state_at(AT_OTHER, states, owner, entry, num))
    x, y, z = (_taken(states, name, row) for name in REFERENCE)
    phi, tan_lambda = _taken(states, "phi", row), _taken(states, "tanLambda", row)
    cos_lambda = 1 / np.sqrt(1 + tan_lambda**2)
    # Of the two planes, the one it has come further towards (the barrel is a polygon).
    is_endcap = np.abs(z) / detector.ecal.endcap_z > np.hypot(x, y) / detector.ecal.inner_radius
    region = np.where(is_endcap, FACE_ENDCAP, FACE_BARREL)
    direction = (cos_lambda * np.cos(phi), cos_lambda * np.sin(phi), cos_lambda * tan_lambda)
    columns = {"face_region": np.where(has_face, region, FACE_NONE)}
    for name, values in zip(("x", "y", "z"), (x, y, z), strict=True):
        columns[f"face_{name}"] = values
    for name, values in zip(("dx", "dy", "dz"), direction, strict=True):
        columns[f"face_{name}"] = np.where(row >= 0, values, 0.0)
    return columns


def _finite(columns: dict[str, Array]) -> dict[str, Array]:
    return {
        name: np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        for name, values in columns.items()
    }
