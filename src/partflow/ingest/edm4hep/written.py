"""Our records as the members of EDM4hep collections: what reading undoes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from partflow.core.detector import (
    ECAL,
    ENDCAP,
    FACE_NONE,
    HCAL,
    MUON,
    Detector,
)
from partflow.core.particles import NEUTRAL_HADRON, PHOTON
from partflow.core.records import Array, Collection, Events
from partflow.ingest.edm4hep.clusters import CLUSTER_COLLECTION, PANDORA_SUBDETECTORS
from partflow.ingest.edm4hep.columns import Columns
from partflow.ingest.edm4hep.hits import LAYER_UNIT, LAYOUT_UNIT, layers_per_group
from partflow.ingest.edm4hep.links import HIT_LINKS, TRACK_LINK_COLLECTION
from partflow.ingest.edm4hep.particles import MC_COLLECTION, STABLE
from partflow.ingest.edm4hep.pfos import PFO_COLLECTIONS
from partflow.ingest.edm4hep.tracks import (
    AT_CALORIMETER,
    AT_FIRST_HIT,
    AT_LAST_HIT,
    AT_OTHER,
    TRACK_COLLECTION,
)

AT_ORIGIN = 1
"""`edm4hep::TrackState::AtIP`."""
NUM_STATES = 4
TINY = float(np.finfo(np.float32).tiny)
SIMULATED_DAUGHTER = 1 << 30
"""`edm4hep::MCParticle::BITCreatedInSimulation`."""
DUPLICATE_WEIGHT = 0.99
"""Of the link of a duplicate: less than that of the better track, which a reader shall prefer."""
BARREL_LAYOUT, ENDCAP_LAYOUT = 1, 2
CALORIMETER_CODE = {ECAL: 10, HCAL: 21, MUON: 32}
"""Kind + 10 calorimeter of LCIO's `CHT` word."""
PARTS = {
    "ECALBarrel": (ECAL, False),
    "ECALEndcap": (ECAL, True),
    "HCALBarrel": (HCAL, False),
    "HCALEndcap": (HCAL, True),
    "MUON": (MUON, None),
}
"""Subdetector of each hit collection, and whether it is the endcap's (None: both)."""


class _Placed(NamedTuple):
    """Where our hits went."""

    tables: dict[str, Columns]
    collection: Array
    """Id of each hit's collection, [hit]."""
    place: Array
    """Index in its event's collection, [hit]."""


def collection_id(name: str) -> int:
    """32 bits that stand for a collection in our files."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")


def event_columns(
    events: Events, run: Array, detector: Detector, candidates: Mapping[str, Collection]
) -> dict[str, Columns]:
    """Members of every EDM4hep collection and relation of these events, by branch.

    `run` [event] is written as the run number; `candidates` are ReconstructedParticles of
    their own beside the baseline's.
    """
    one = np.arange(len(events) + 1)
    header: dict[str, Array] = {
        "eventNumber": events.event_id.astype(np.uint64),
        "runNumber": run.astype(np.uint32),
        "timeStamp": np.zeros(len(events), dtype=np.uint64),
        "weight": np.ones(len(events)),
    }
    hits = _hits(events.hits, detector)
    columns = {"EventHeader": Columns(one, header)}
    columns |= _particles(events)
    columns |= hits.tables
    columns |= _clusters(events, hits)
    columns |= _tracks(events.tracks)
    columns |= _hit_links(events.contributions, events.hits, hits)
    for name, collection in {PFO_COLLECTIONS[0]: events.baseline, **candidates}.items():
        columns |= _reconstructed(name, collection)
    return columns


def _objects(offsets: Array, name: str, index: Array) -> Columns:
    """Object ids that point into one collection."""
    ids = np.full(len(index), collection_id(name), dtype=np.uint32)
    return Columns(offsets, {"index": index.astype(np.int32), "collectionID": ids})


def _ranges(member: str, offsets: Array, counts: Array) -> dict[str, Array]:
    """`member_begin` and `member_end` of objects that list `counts` [object] others each."""
    end = np.cumsum(counts)
    before = np.concatenate([[0], end])
    first = np.repeat(before[offsets[:-1]], np.diff(offsets))
    return {
        f"{member}_begin": (end - counts - first).astype(np.uint32),
        f"{member}_end": (end - first).astype(np.uint32),
    }


def _list_offsets(offsets: Array, counts: Array) -> Array:
    """Offsets [event + 1] of what the objects list."""
    return np.concatenate([[0], np.cumsum(counts)])[offsets].astype(np.int64)


# --- particles ----------------------------------------------------------------------------


def _particles(events: Events) -> dict[str, Columns]:
    """Stable particles, then one daughter for each track of a secondary; and the track links.

    A duplicate is linked to what the track was made by that it repeats.
    """
    particles, made = events.particles, events.track_particles
    is_linked = made.particle_index >= 0
    original = _originals(made, events.tracks)
    is_secondary = is_linked & (made.is_primary == 0) & (original == np.arange(len(made)))
    mothers = made.select(is_secondary)
    tracks = events.tracks.select(is_secondary)
    offsets = particles.offsets + mothers.offsets
    num = int(offsets[-1])
    of_stable = np.arange(len(particles)) + np.repeat(mothers.offsets[:-1], particles.counts)
    of_secondary = np.arange(len(mothers)) + np.repeat(particles.offsets[1:], mothers.counts)

    members: dict[str, Array] = {
        name: np.zeros(num, np.int32) for name in ("PDG", "generatorStatus", "simulatorStatus")
    }
    members |= {name: np.zeros(num, np.float32) for name in ("charge", "time")}
    stable = {"PDG": particles.pdg_id, "charge": particles.charge, "mass": particles.mass}
    for axis in ("x", "y", "z"):
        stable[f"vertex.{axis}"] = particles.columns[f"v{axis}"]
        stable[f"momentum.{axis}"] = particles.columns[f"p{axis}"]
    for name, values in stable.items():
        members.setdefault(name, np.zeros(num))[of_stable] = values
    members["generatorStatus"][of_stable] = STABLE
    members["simulatorStatus"][of_secondary] = np.int32(SIMULATED_DAUGHTER)
    members["charge"][of_secondary] = tracks.charge
    members["momentum.x"][of_secondary] = tracks.pt * np.cos(tracks.phi)
    members["momentum.y"][of_secondary] = tracks.pt * np.sin(tracks.phi)
    members["momentum.z"][of_secondary] = tracks.pt * tracks.tan_lambda

    num_parents = np.zeros(num, dtype=np.int64)
    num_parents[of_secondary] = 1
    mother_row = particles.offsets[:-1][mothers.event_index] + mothers.particle_index
    num_daughters = np.zeros(num, dtype=np.int64)
    num_daughters[of_stable] = np.bincount(mother_row, minlength=len(particles))
    members |= _ranges("parents", offsets, num_parents)
    members |= _ranges("daughters", offsets, num_daughters)
    secondary_index = of_secondary - offsets[:-1][mothers.event_index]
    by_mother = np.argsort(mother_row, kind="stable")

    mc_index = made.particle_index.astype(np.int64)
    mc_index[is_secondary] = secondary_index
    mc_index = mc_index[original]
    linked = made.select(is_linked)
    weight = np.where(linked.is_duplicate == 1, DUPLICATE_WEIGHT, 1.0).astype(np.float32)
    return {
        MC_COLLECTION: Columns(offsets, members),
        f"_{MC_COLLECTION}_parents": _objects(
            mothers.offsets, MC_COLLECTION, mothers.particle_index
        ),
        f"_{MC_COLLECTION}_daughters": _objects(
            mothers.offsets, MC_COLLECTION, secondary_index[by_mother]
        ),
        TRACK_LINK_COLLECTION: Columns(linked.offsets, {"weight": weight}),
        f"_{TRACK_LINK_COLLECTION}_from": _objects(
            linked.offsets, TRACK_COLLECTION, made.index_in_event[is_linked]
        ),
        f"_{TRACK_LINK_COLLECTION}_to": _objects(
            linked.offsets, MC_COLLECTION, mc_index[is_linked]
        ),
    }


def _originals(made: Collection, tracks: Collection) -> Array:
    """Row of the track that each duplicate repeats, [track]; of any other track its own row.

    The truth names the particle alone. Of its tracks it is the one with the nearest momentum, of
    the same charge if there is one; a duplicate without any stands for itself.
    """
    original = np.arange(len(made))
    direction = np.stack([np.cos(tracks.phi), np.sin(tracks.phi), tracks.tan_lambda], axis=1)
    momentum = tracks.pt[:, None] * direction
    is_known = made.particle_index >= 0
    for row in np.flatnonzero(is_known & (made.is_duplicate == 1)):
        event = made.event_index[row]
        there = slice(*made.offsets[event : event + 2])
        is_same = made.particle_index[there] == made.particle_index[row]
        found = there.start + np.flatnonzero(is_same & (made.is_duplicate[there] == 0))
        if len(found):
            distance = np.linalg.norm(momentum[found] - momentum[row], axis=1)
            is_other = tracks.charge[found] != tracks.charge[row]
            original[row] = found[np.lexsort((distance, is_other))[0]]
    return original


# --- hits and clusters --------------------------------------------------------------------


def _hits(hits: Collection, detector: Detector) -> _Placed:
    tables: dict[str, Columns] = {}
    collection = np.zeros(len(hits), dtype=np.uint32)
    place = np.zeros(len(hits), dtype=np.int64)
    for name, (subdetector, is_endcap) in PARTS.items():
        is_here = hits.subdetector == subdetector
        if is_endcap is not None:
            is_here &= (hits.region == ENDCAP) == is_endcap
        part = hits.select(is_here)
        collection[is_here] = collection_id(name)
        place[is_here] = part.index_in_event
        layout = np.where(part.region == ENDCAP, ENDCAP_LAYOUT, BARREL_LAYOUT)
        layer = part.layer.astype(np.int64) * layers_per_group(subdetector, detector)
        place_word = np.where(layer >= 0, LAYOUT_UNIT * layout + LAYER_UNIT * layer, 0)
        word = CALORIMETER_CODE[subdetector] + place_word
        members = {
            "cellID": np.arange(len(part), dtype=np.uint64),
            "energy": part.energy,
            "energyError": np.zeros(len(part), dtype=np.float32),
            "time": part.time,
            **{f"position.{axis}": part.columns[axis] for axis in ("x", "y", "z")},
            "type": word.astype(np.int32),
        }
        tables[name] = Columns(part.offsets, members)
    return _Placed(tables, collection, place)


def _clusters(events: Events, hits: _Placed) -> dict[str, Columns]:
    clusters, listed = events.clusters, events.hit_clusters
    cluster = clusters.flat_index(listed.event_index, listed.cluster_index)
    order = np.argsort(cluster, kind="stable")
    order = order[cluster[order] >= 0]
    num_hits = np.bincount(cluster[order], minlength=len(clusters))
    num_parts = np.full(len(clusters), len(PANDORA_SUBDETECTORS))
    single = np.ones(len(clusters), dtype=np.int64)
    c = {name: values.astype(np.float32) for name, values in clusters.columns.items()}
    members = {
        "type": np.zeros(len(clusters), dtype=np.int32),
        "energy": c["energy_em"],
        **{f"position.{axis}": c[axis] for axis in ("x", "y", "z")},
        "iTheta": c["theta"],
        "iPhi": c["phi"],
        **_ranges("hits", clusters.offsets, num_hits),
        **_ranges("subdetectorEnergies", clusters.offsets, num_parts),
        **_ranges("shapeParameters", clusters.offsets, single),
    }
    base = f"_{CLUSTER_COLLECTION}"
    energies = np.stack([c[name] for name in PANDORA_SUBDETECTORS], axis=1).ravel()
    ids = {"index": hits.place[order].astype(np.int32), "collectionID": hits.collection[order]}
    return {
        CLUSTER_COLLECTION: Columns(clusters.offsets, members),
        f"{base}_hits": Columns(_list_offsets(clusters.offsets, num_hits), ids),
        f"{base}_subdetectorEnergies": Columns(
            _list_offsets(clusters.offsets, num_parts), {"": energies}
        ),
        # Shapes are free for each program to define: ours is the compensated energy.
        f"{base}_shapeParameters": Columns(clusters.offsets, {"": c["energy_hadronic"]}),
    }


def _hit_links(contributions: Collection, hits: Collection, placed: _Placed) -> dict[str, Columns]:
    row = hits.offsets[:-1][contributions.event_index] + contributions.hit_index
    ids = {"index": placed.place[row].astype(np.int32), "collectionID": placed.collection[row]}
    return {
        HIT_LINKS: Columns(contributions.offsets, {"weight": contributions.energy_em}),
        f"_{HIT_LINKS}_from": Columns(contributions.offsets, ids),
        f"_{HIT_LINKS}_to": _objects(
            contributions.offsets, MC_COLLECTION, contributions.particle_index
        ),
    }


# --- tracks -------------------------------------------------------------------------------


def _tracks(tracks: Collection) -> dict[str, Columns]:
    """Tracks with states at the origin, at the first and last hit, and at the calorimeter; a state
    is elsewhere where the hit is not known or the track does not reach the calorimeter.
    """
    num_states = np.full(len(tracks), NUM_STATES)
    single = np.ones(len(tracks), dtype=np.int64)
    members = {
        "type": np.zeros(len(tracks), dtype=np.int32),
        "chi2": tracks.chi2.astype(np.float32),
        "ndf": tracks.ndf.astype(np.int32),
        "Nholes": np.zeros(len(tracks), dtype=np.int32),
        **_ranges("trackStates", tracks.offsets, num_states),
        **_ranges("subdetectorHitNumbers", tracks.offsets, single),
    }
    base = f"_{TRACK_COLLECTION}"
    return {
        TRACK_COLLECTION: Columns(tracks.offsets, members),
        f"{base}_trackStates": Columns(NUM_STATES * tracks.offsets, _states(tracks)),
        f"{base}_subdetectorHitNumbers": Columns(
            tracks.offsets, {"": tracks.num_yoke_hits.astype(np.int32)}
        ),
    }


def _states(tracks: Collection) -> dict[str, Array]:
    num = NUM_STATES * len(tracks)
    owner = np.arange(num) // NUM_STATES
    place = np.arange(num) % NUM_STATES
    at_face = place == NUM_STATES - 1
    location = np.array([AT_ORIGIN, AT_FIRST_HIT, AT_LAST_HIT, AT_CALORIMETER])[place]
    location[at_face & (tracks.face_region[owner] == FACE_NONE)] = AT_OTHER
    values = {
        "D0": tracks.d0[owner],
        "phi": tracks.phi[owner],
        "omega": tracks.omega[owner],
        "Z0": tracks.z0[owner],
        "tanLambda": tracks.tan_lambda[owner],
        "time": tracks.time[owner],
    }
    reference = {f"referencePoint.{axis}": np.zeros(num) for axis in ("x", "y", "z")}
    for state, name in ((1, "radius_of_innermost_hit"), (2, "radius_of_outermost_hit")):
        # the hit's azimuth and z are not in the record: those of a straight track
        at_hit, radius = place == state, tracks.columns[name]
        reference["referencePoint.x"][at_hit] = radius * np.cos(tracks.phi)
        reference["referencePoint.y"][at_hit] = radius * np.sin(tracks.phi)
        reference["referencePoint.z"][at_hit] = tracks.z0 + radius * tracks.tan_lambda
        location[at_hit] = np.where(radius > 0, location[at_hit], AT_OTHER)
    face = owner[at_face]
    for axis in ("x", "y", "z"):
        reference[f"referencePoint.{axis}"][at_face] = tracks.columns[f"face_{axis}"][face]
    transverse = np.hypot(tracks.face_dx[face], tracks.face_dy[face])
    values["phi"][at_face] = np.arctan2(tracks.face_dy[face], tracks.face_dx[face])
    values["tanLambda"][at_face] = tracks.face_dz[face] / np.maximum(transverse, TINY)
    for name in ("D0", "Z0"):  # the reference point is on the track there
        values[name][place > 0] = 0.0
    single = {name: v.astype(np.float32) for name, v in {**values, **reference}.items()}
    return {"location": location.astype(np.int32), **single}


# --- reconstructed particles --------------------------------------------------------------


def _reconstructed(name: str, candidates: Collection) -> dict[str, Columns]:
    """Candidates as ReconstructedParticles with their track and cluster."""
    c = candidates
    px, py = c.pt * np.cos(c.phi), c.pt * np.sin(c.phi)
    pz = c.pt * np.sinh(c.eta)
    mass = np.sqrt(np.maximum(c.energy**2 - px**2 - py**2 - pz**2, 0.0))
    is_neutral = np.isin(c.pdg_id, (PHOTON, NEUTRAL_HADRON)) | (c.charge == 0)
    # PDG: a pi+ is positive, an e- and a mu- are.
    sign = np.where(c.pdg_id < PHOTON, -np.sign(c.charge), np.sign(c.charge))
    lists = {
        "tracks": (TRACK_COLLECTION, c.track_index),
        "clusters": (CLUSTER_COLLECTION, c.cluster_index),
    }
    members = {
        "PDG": np.where(is_neutral, c.pdg_id, sign * c.pdg_id).astype(np.int32),
        "energy": c.energy.astype(np.float32),
        "momentum.x": px.astype(np.float32),
        "momentum.y": py.astype(np.float32),
        "momentum.z": pz.astype(np.float32),
        **{f"referencePoint.{a}": np.zeros(len(c), dtype=np.float32) for a in ("x", "y", "z")},
        "charge": c.charge.astype(np.float32),
        "mass": mass.astype(np.float32),
        "goodnessOfPID": c.probability.astype(np.float32),
    }
    columns = {}
    for kind, (target, index) in lists.items():
        has_it = (index >= 0).astype(np.int64)
        members |= _ranges(kind, c.offsets, has_it)
        columns[f"_{name}_{kind}"] = _objects(
            _list_offsets(c.offsets, has_it), target, index[index >= 0]
        )
    return {name: Columns(c.offsets, members), **columns}
