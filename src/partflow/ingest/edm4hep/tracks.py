"""Refitted tracks: perigee, first and last hit and calorimeter face from their states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import (
    FACE_BARREL,
    FACE_ENDCAP,
    FACE_NONE,
    Detector,
)
from partflow.core.errors import SchemaError
from partflow.core.helix import follow_tracks
from partflow.core.records import Array, Collection
from partflow.core.schemas import TRACKS, UNREFITTED_STATES
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM
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
AT_OTHER, AT_FIRST_HIT, AT_LAST_HIT, AT_CALORIMETER = 0, 2, 3, 4
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
        pt = LIGHT_SPEED_GEV_PER_T_MM * detector.magnetic_field / np.abs(omega)
    radius = raw["radiusOfInnermostHit"]
    if f"{TRACK_COLLECTION}.radiusOfInnermostHit" not in file.branches:
        radius = _radius_at(AT_FIRST_HIT, states, listed.owner, listed.entry, raw.num_rows)
    last = _radius_at(AT_LAST_HIT, states, listed.owner, listed.entry, raw.num_rows)
    columns = {
        "charge": np.sign(np.nan_to_num(omega)),
        "pt": pt,
        **perigee,
        "chi2": raw["chi2"],
        "ndf": raw["ndf"],
        "dedx": raw["dEdx"],
        "dedx_error": raw["dEdxError"],
        "radius_of_innermost_hit": radius,
        "radius_of_outermost_hit": last,
        "num_yoke_hits": _yoke_hits(file, entries, raw),
    }
    columns = _finite(columns)
    at_face = _state_at(AT_CALORIMETER, states, listed.owner, listed.entry, raw.num_rows)
    columns |= _finite(_face(states, at_face, columns, detector))
    tracks = Collection(TRACKS, raw.offsets, columns)
    return FileTracks(tracks, _unrefitted(file, entries, raw, tracks))


def _yoke_hits(file: PodioFile, entries: EntryRange, raw: Columns) -> Array:
    """What EDM4hep has no member for; in the files of others it is not known, and 0."""
    if not file.made_by_partflow:
        return np.zeros(raw.num_rows)
    return read_jagged(file, f"_{TRACK_COLLECTION}_subdetectorHitNumbers", entries)[1]


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


def _radius_at(location: int, states: Columns, owner: Array, entry: Array, num: int) -> Array:
    """Radius of each track's state at `location` [mm], 0 where there is none, [track]."""
    row = _state_at(location, states, owner, entry, num)
    return np.hypot(_taken(states, REFERENCE[0], row), _taken(states, REFERENCE[1], row))


def _face(
    states: Columns, at_face: Array, parameters: dict[str, Array], detector: Detector
) -> dict[str, Array]:
    """Where and in which direction each track meets the calorimeter.

    `at_face` [track] is the row of its state there. A track without one does not reach it: it is
    followed to where its helix ends, as in the simulation, from its parameters at the perigee.
    """
    names = ("face_x", "face_y", "face_z", "face_dx", "face_dy", "face_dz")
    followed = follow_tracks(
        detector.geometry(),
        *(parameters[name] for name in ("d0", "z0", "phi", "tan_lambda", "pt", "charge")),
    )
    x, y, z = (_taken(states, name, at_face) for name in REFERENCE)
    phi, tan_lambda = _taken(states, "phi", at_face), _taken(states, "tanLambda", at_face)
    cos_lambda = 1 / np.sqrt(1 + tan_lambda**2)
    direction = (cos_lambda * np.cos(phi), cos_lambda * np.sin(phi), cos_lambda * tan_lambda)
    # Of the two planes, the one it has come further towards (the barrel is a polygon).
    is_endcap = np.abs(z) / detector.ecal.endcap_z > np.hypot(x, y) / detector.ecal.inner_radius
    has_face = at_face >= 0
    region = np.where(has_face, np.where(is_endcap, FACE_ENDCAP, FACE_BARREL), FACE_NONE)
    columns = {
        name: np.where(has_face, known, otherwise)
        for name, known, otherwise in zip(names, (x, y, z, *direction), followed, strict=True)
    }
    return {"face_region": region, **columns}


def _finite(columns: dict[str, Array]) -> dict[str, Array]:
    return {
        name: np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        for name, values in columns.items()
    }
