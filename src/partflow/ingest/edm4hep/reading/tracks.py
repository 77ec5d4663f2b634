"""Refitted tracks: perigee, first and last hit, and calorimeter face, from their states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE, Detector
from partflow.core.errors import SchemaError
from partflow.core.helix import follow_tracks
from partflow.core.records import Array, Collection
from partflow.core.schemas import TRACKS, UNREFITTED_STATES
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM
from partflow.ingest.edm4hep.columns import (
    EntryRange,
    MemberColumns,
    finite,
    read_jagged,
    read_members,
)
from partflow.ingest.edm4hep.names import (
    AT_CALORIMETER,
    AT_FIRST_HIT,
    AT_LAST_HIT,
    REFERENCE_POINT,
    STATE_PARAMETERS,
    TRACK_COLLECTION,
    UNREFITTED_COLLECTION,
)
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.relations import ListEntries, list_entries

TRACK_MEMBERS = ("chi2", "ndf", "trackStates_begin", "trackStates_end")
MEMBERS_OF_OLD_LAYOUT = ("dEdx", "dEdxError", "radiusOfInnermostHit")
PERIGEE_MEMBERS = tuple(m for m in STATE_PARAMETERS.values() if m != "time")


class FileTracks(NamedTuple):
    """Tracks of a range of events, and their states in the fit before the last one."""

    tracks: Collection
    unrefitted_states: Collection


class _States(NamedTuple):
    """The states of all tracks."""

    members: MemberColumns
    listed: ListEntries
    """Pairs of a track and one of its states."""
    num_tracks: int

    def first(self) -> Array:
        """Row of the first state of each track, at the origin, or -1, [track]."""
        row = np.full(self.num_tracks, -1, dtype=np.int64)
        row[self.listed.object_row[::-1]] = self.listed.entry_row[::-1]
        return row

    def at(self, location: int) -> Array:
        """Row of the state of each track at `location`, or -1, [track]."""
        is_it = self.members["location"][self.listed.entry_row] == location
        row = np.full(self.num_tracks, -1, dtype=np.int64)
        row[self.listed.object_row[is_it]] = self.listed.entry_row[is_it]
        return row

    def radius_at(self, location: int) -> Array:
        """Radius of the state of each track at `location` [mm], 0 where there is none, [track]."""
        row = self.at(location)
        x, y = (_taken(self.members, name, row) for name in REFERENCE_POINT[:2])
        return np.hypot(x, y)


def read_tracks(
    file: PodioFile, entries: EntryRange, detector: Detector, faults: Faults
) -> FileTracks:
    """The tracks of each event, with parameters at the origin and position at the calorimeter.

    Numbers that are not finite become 0. A track without states is a fault of its event.
    """
    raw = read_members(file, TRACK_COLLECTION, TRACK_MEMBERS, entries, MEMBERS_OF_OLD_LAYOUT)
    states = _read_states(file, entries, raw, faults)
    first = states.first()
    faults.add(raw.event_index, first < 0, f"a track of {TRACK_COLLECTION} without states")
    perigee = _parameters(states.members, first)
    omega = perigee["omega"]
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = LIGHT_SPEED_GEV_PER_T_MM * detector.magnetic_field / np.abs(omega)
    radius = raw["radiusOfInnermostHit"]
    if f"{TRACK_COLLECTION}.radiusOfInnermostHit" not in file.branches:
        radius = states.radius_at(AT_FIRST_HIT)
    columns = {
        "charge": np.sign(np.nan_to_num(omega)),
        "pt": pt,
        **perigee,
        "chi2": raw["chi2"],
        "ndf": raw["ndf"],
        "dedx": raw["dEdx"],
        "dedx_error": raw["dEdxError"],
        "radius_of_innermost_hit": radius,
        "radius_of_outermost_hit": states.radius_at(AT_LAST_HIT),
        "num_yoke_hits": _yoke_hits(file, entries, raw),
    }
    columns = _all_finite(columns)
    columns |= _all_finite(_face(states, columns, detector))
    tracks = Collection(TRACKS, raw.offsets, columns)
    return FileTracks(tracks, _unrefitted_states(file, entries, raw, tracks))


def _read_states(
    file: PodioFile, entries: EntryRange, raw: MemberColumns, faults: Faults
) -> _States:
    """The states that the tracks list."""
    base = file.vector(TRACK_COLLECTION, "trackStates", "omega")
    if base is None:
        raise SchemaError(
            f"{file.path}: no states of '{TRACK_COLLECTION}' in the event tree; is this a REC file?"
        )
    names = ("location", *PERIGEE_MEMBERS, *REFERENCE_POINT)
    members = read_members(file, base, names, entries, ["time"])
    where = f"the states of {TRACK_COLLECTION}"
    listed = list_entries(raw, "trackStates", members.counts, faults, where)
    return _States(members, listed, raw.num_rows)


def _yoke_hits(file: PodioFile, entries: EntryRange, raw: MemberColumns) -> Array:
    """Muon-system hits of each track; 0 in files of other programs, as EDM4hep has no member."""
    if not file.is_from_partflow:
        return np.zeros(raw.num_rows)
    return read_jagged(file, f"_{TRACK_COLLECTION}_subdetectorHitNumbers", entries)[1]


def _unrefitted_states(
    file: PodioFile, entries: EntryRange, raw: MemberColumns, tracks: Collection
) -> Collection:
    """UNREFITTED_STATES: for each track the state of the fit before the last one.

    It is read at the position at which the states of the refitted track begin, as the published
    data sets do. Where the file has no such fit, or too few states, it is the refitted state.
    """
    columns = {f.name: tracks.columns[f.name].copy() for f in UNREFITTED_STATES.fields}
    base = file.vector(UNREFITTED_COLLECTION, "trackStates", "omega") if file.is_old else None
    if base is not None:
        states = read_members(file, base, PERIGEE_MEMBERS, entries, ["time"])
        begin = raw["trackStates_begin"].astype(np.int64)
        event = raw.event_index
        has_state = begin < states.counts[event]
        row = np.where(has_state, states.offsets[:-1][event] + begin, -1)
        for name, values in _all_finite(_parameters(states, row)).items():
            columns[name][has_state] = values[has_state]
    return Collection(UNREFITTED_STATES, raw.offsets, columns)


def _face(states: _States, perigee: dict[str, Array], detector: Detector) -> dict[str, Array]:
    """Position and direction of each track at the calorimeter.

    A track without a state at the calorimeter does not reach it. It is followed from its perigee
    parameters to where its helix ends, as in the simulation.
    """
    names = ("face_x", "face_y", "face_z", "face_dx", "face_dy", "face_dz")
    followed = follow_tracks(
        detector.geometry(),
        *(perigee[name] for name in ("d0", "z0", "phi", "tan_lambda", "pt", "charge")),
    )
    row = states.at(AT_CALORIMETER)
    x, y, z = (_taken(states.members, name, row) for name in REFERENCE_POINT)
    phi, tan_lambda = (_taken(states.members, name, row) for name in ("phi", "tanLambda"))
    cos_lambda = 1 / np.sqrt(1 + tan_lambda**2)
    direction = (cos_lambda * np.cos(phi), cos_lambda * np.sin(phi), cos_lambda * tan_lambda)
    # The barrel is a polygon, so the state may be beyond both faces: compare relative distances.
    is_endcap = np.abs(z) / detector.ecal.endcap_z > np.hypot(x, y) / detector.ecal.inner_radius
    has_state = row >= 0
    region = np.where(has_state, np.where(is_endcap, FACE_ENDCAP, FACE_BARREL), FACE_NONE)
    columns = {
        name: np.where(has_state, of_state, of_helix)
        for name, of_state, of_helix in zip(names, (x, y, z, *direction), followed, strict=True)
    }
    return {"face_region": region, **columns}


def _parameters(states: MemberColumns, row: Array) -> dict[str, Array]:
    """Parameters of the states in `row`, by our names; 0 for row -1."""
    return {name: _taken(states, member, row) for name, member in STATE_PARAMETERS.items()}


def _taken(states: MemberColumns, member: str, row: Array) -> Array:
    """Values of a member in `row`; 0 for row -1."""
    values = np.zeros(len(row))
    values[row >= 0] = states[member][row[row >= 0]]
    return values


def _all_finite(columns: dict[str, Array]) -> dict[str, Array]:
    return {name: finite(values) for name, values in columns.items()}
