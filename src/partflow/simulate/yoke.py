"""Hits in the return yoke: muons that cross it, and what punches through.

Behind the calorimeter, where a muon has lost `Yoke.muon_loss`, paths are straight: the return
field is left out. A muon is scattered by all it has crossed, and stops in the layer in which its
energy ends. A hadron above 10 GeV comes through one time in a hundred, spread as its shower is
(a choice of ours). A track counts, layer by layer, the hits near the line on which it leaves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ENDCAP, FACE_NONE, MUON, Detector, Geometry
from partflow.core.helix import MIN_PT, HelixState, advance, path_to_cylinder
from partflow.core.records import (
    Array,
    Collection,
    concatenate,
    offsets_from_counts,
)
from partflow.core.schemas import CONTRIBUTIONS, HITS
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.flights import NO_END, Species, face_of
from partflow.simulate.frame import tilted

_SCATTERING = 0.0136  # GeV, times the root of the radiation lengths (PDG review)
_PUNCH_THROUGH, _MIN_PUNCH_MOMENTUM, _PUNCH_LAYERS = 0.01, 10.0, 3  # GeV
_PUNCH_ANGLE = 0.1  # rad
_WINDOW = 3.0  # standard deviations of scattering, and cells, within which a hit is a track's

YOKE_HIT = np.dtype(
    [
        ("x", "f4"),
        ("y", "f4"),
        ("z", "f4"),
        ("time", "f4"),
        ("layer", "i2"),
        ("region", "i1"),
        ("particle", "i4"),
    ],
    align=True,
)
"""What one particle leaves in one cell: the cell's centre [mm], ns, and who."""


class YokeConstants(NamedTuple):
    """The yoke, and what is in front of it, as kernels take it. Lengths in mm."""

    geometry: Geometry
    solenoid_r: float
    """Radius and abs(z) at which paths become straight: the end of the calorimeter."""
    solenoid_z: float
    radii: Array
    """[layer]: of the barrel."""
    planes: Array
    """[layer]: abs(z) of the endcap's."""
    endcap_z: float
    outer_r: float
    hole_r: float
    cell: float
    efficiency: float
    muon_loss: float
    """GeV, in front of the yoke."""
    muon_loss_per_layer: float
    scattering: float
    """Angle of a muon behind the calorimeter, times its momentum [GeV]."""


def yoke_constants(detector: Detector) -> YokeConstants:
    """The yoke of a detector as plain numbers."""
    yoke = detector.yoke
    behind = detector.ecal.depth + detector.gap + detector.hcal.depth
    steps = (np.arange(yoke.num_layers) + 0.5) / yoke.num_layers
    return YokeConstants(
        geometry=detector.geometry(),
        solenoid_r=detector.ecal.inner_radius + behind,
        solenoid_z=detector.ecal.endcap_z + behind,
        radii=yoke.inner_radius + steps * (yoke.outer_radius - yoke.inner_radius),
        planes=yoke.endcap_z + steps * (yoke.outer_z - yoke.endcap_z),
        endcap_z=float(yoke.endcap_z),
        outer_r=float(yoke.outer_radius),
        hole_r=float(yoke.endcap_inner_radius),
        cell=float(yoke.cell_size),
        efficiency=float(yoke.efficiency),
        muon_loss=float(yoke.muon_loss),
        muon_loss_per_layer=float(yoke.muon_loss_per_layer),
        scattering=_SCATTERING * math.sqrt(yoke.radiation_lengths),
    )


@njit(cache=True, error_model="numpy")
def cross_yoke(rng, flights, yoke):
    """Rows of YOKE_HIT of one event's flights, in the order of the flights."""
    num_layers = len(yoke.radii)
    hits = np.empty(2 * num_layers * len(flights), dtype=YOKE_HIT)
    count = 0
    for i in range(len(flights)):
        flight = flights[i]
        momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
        is_muon = flight.species == Species.MUON
        if is_muon:
            left = momentum - yoke.muon_loss
            spread = yoke.scattering / momentum
            reach = 2 * num_layers
        else:
            if flight.species < Species.MESON or momentum < _MIN_PUNCH_MOMENTUM:
                continue
            if rng.random() >= _PUNCH_THROUGH:
                continue
            left, spread = momentum, _PUNCH_ANGLE
            reach = 1 + int(_PUNCH_LAYERS * rng.random())
        if left <= 0.0 or flight.end < NO_END:
            continue
        face, x, y, z, px, py, pz = face_of(flight, yoke.geometry)
        if face == FACE_NONE:
            continue
        x, y, z, dx, dy, dz = leave(yoke, x, y, z, px, py, pz, flight.charge)
        dx, dy, dz = _scattered(rng, dx, dy, dz, spread)
        crossed = 0
        for step in range(2 * num_layers):
            region, layer = (BARREL, step) if step < num_layers else (ENDCAP, step - num_layers)
            is_hit, hx, hy, hz = crossing(yoke, region, layer, x, y, z, dx, dy, dz)
            if not is_hit:
                continue
            if crossed >= reach or (is_muon and left < yoke.muon_loss_per_layer * crossed):
                break
            crossed += 1
            if rng.random() >= yoke.efficiency:
                continue
            row = hits[count]
            row.x, row.y, row.z = cell_at(yoke, region, layer, hx, hy, hz)
            path = math.sqrt((hx - flight.x) ** 2 + (hy - flight.y) ** 2 + (hz - flight.z) ** 2)
            row.time = flight.time + path / LIGHT_SPEED_MM_PER_NS
            row.region, row.layer, row.particle = region, layer, flight.origin
            count += 1
    return hits[:count]


@njit(cache=True, error_model="numpy")
def leave(yoke, x, y, z, px, py, pz, charge):
    """(x, y, z, dx, dy, dz) where a path from the face leaves calorimeter and field."""
    pt = math.hypot(px, py)
    if pt > MIN_PT:
        path = path_to_cylinder(yoke.geometry.bending, x, y, px, py, charge, yoke.solenoid_r)
        if pz != 0.0:
            face_z = yoke.solenoid_z if pz > 0.0 else -yoke.solenoid_z
            path = min(path, (face_z - z) * pt / pz)
        if path < yoke.geometry.max_path:  # else it curls up inside: keep what it had
            start = HelixState(x, y, z, px, py, pz, charge)
            x, y, z, px, py = advance(yoke.geometry.bending, start, path)
    momentum = math.sqrt(px * px + py * py + pz * pz)
    return x, y, z, px / momentum, py / momentum, pz / momentum


@njit(cache=True, error_model="numpy")
def _scattered(rng, dx, dy, dz, spread):
    """A direction after scattering by `spread` [rad] in each of two planes."""
    angle = spread * math.sqrt(2.0 * rng.standard_exponential())
    return tilted(rng, dx, dy, dz, math.cos(min(angle, 0.5 * math.pi)))


@njit(cache=True, error_model="numpy")
def crossing(yoke, region, layer, x, y, z, dx, dy, dz):
    """Whether and where (x, y, z) [mm] a straight path outwards crosses a layer."""
    if region == BARREL:
        sine = math.hypot(dx, dy)
        if sine < 1e-3 or math.hypot(x, y) > yoke.radii[layer]:
            return False, x, y, z
        path = path_to_cylinder(1.0, x, y, dx, dy, np.int64(0), yoke.radii[layer]) / sine
        z += dz * path
        return abs(z) < yoke.endcap_z, x + dx * path, y + dy * path, z
    plane = yoke.planes[layer] if dz > 0.0 else -yoke.planes[layer]
    if dz == 0.0 or (plane - z) / dz < 0.0:
        return False, x, y, z
    path = (plane - z) / dz
    x += dx * path
    y += dy * path
    return yoke.hole_r < math.hypot(x, y) < yoke.outer_r, x, y, plane


@njit(cache=True, error_model="numpy")
def cell_at(yoke, region, layer, x, y, z):
    """Centre [mm] of the cell at a point of a layer."""
    cell = yoke.cell
    if region == ENDCAP:
        return (math.floor(x / cell) + 0.5) * cell, (math.floor(y / cell) + 0.5) * cell, z
    radius = yoke.radii[layer]
    width = 2.0 * math.pi / int(2.0 * math.pi * radius / cell)
    phi = (math.floor(math.atan2(y, x) / width) + 0.5) * width
    return radius * math.cos(phi), radius * math.sin(phi), (math.floor(z / cell) + 0.5) * cell


@njit(cache=True, error_model="numpy")
def count_yoke_hits(tracks, hits, yoke):
    """Set `num_yoke_hits` of each track to the layers with a hit near its extrapolation."""
    num_layers = len(yoke.radii)
    for track in tracks:
        track.num_yoke_hits = 0
        momentum = track.pt * math.hypot(1.0, track.tan_lambda)
        if track.face_region == FACE_NONE or momentum < yoke.muon_loss or len(hits) == 0:
            continue
        x, y, z, dx, dy, dz = leave(
            yoke, track.face_x, track.face_y, track.face_z,
            momentum * track.face_dx, momentum * track.face_dy, momentum * track.face_dz,
            np.int64(track.charge),  # as of a flight: compiled once
        )  # fmt: skip
        for step in range(2 * num_layers):
            region, layer = (BARREL, step) if step < num_layers else (ENDCAP, step - num_layers)
            is_crossed, cx, cy, cz = crossing(yoke, region, layer, x, y, z, dx, dy, dz)
            if not is_crossed:
                continue
            distance = math.sqrt((cx - x) ** 2 + (cy - y) ** 2 + (cz - z) ** 2)
            window = _WINDOW * math.hypot(yoke.cell, distance * yoke.scattering / momentum)
            for hit in hits:
                if hit.region != region or hit.layer != layer:
                    continue
                if (hit.x - cx) ** 2 + (hit.y - cy) ** 2 + (hit.z - cz) ** 2 < window**2:
                    track.num_yoke_hits += 1
                    break


def with_yoke_hits(
    hits: Collection, contributions: Collection, crossings: list[Array], energy: float, timed: bool
) -> tuple[Collection, Collection]:
    """Hits and contributions with those of the yoke behind each event's own.

    `crossings` [event] are rows of YOKE_HIT. What meets in a cell is one hit, with the sum of its
    contributions.
    """
    rows = np.concatenate([np.empty(0, dtype=YOKE_HIT), *crossings])
    event = np.repeat(np.arange(len(crossings)), [len(part) for part in crossings])
    order = np.lexsort((rows["z"], rows["y"], rows["x"], rows["layer"], rows["region"], event))
    rows, event = rows[order], event[order]
    place = np.stack([event, *(rows[name] for name in ("region", "layer", "x", "y", "z"))])
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (place[:, 1:] != place[:, :-1]).any(axis=0)
    hit = np.cumsum(is_first) - 1
    counts = np.bincount(event[is_first], minlength=len(crossings))
    first = np.flatnonzero(is_first)
    time = np.minimum.reduceat(rows["time"], first) if len(first) else np.empty(0)
    columns = {name: rows[name][first] for name in ("x", "y", "z", "region", "layer")} | {
        "energy_em": energy * np.bincount(hit, minlength=len(first)),
        "subdetector": np.full(len(first), MUON),
        "time": time if timed else np.zeros(len(first)),
    }
    added = Collection(HITS, offsets_from_counts(counts), columns)
    made = Collection(
        CONTRIBUTIONS,
        offsets_from_counts(np.bincount(event, minlength=len(crossings))),
        {
            "hit_index": hit - added.offsets[:-1][event] + hits.counts[event],
            "particle_index": rows["particle"],
            "energy_em": np.full(len(rows), energy),
        },
    )
    return _joined(hits, added), _joined(contributions, made)


def _joined(first: Collection, second: Collection) -> Collection:
    """The objects of both, event by event, those of the first in front."""
    num = first.num_events
    both = concatenate([first, second])
    events = np.stack([np.arange(num), num + np.arange(num)], axis=1).ravel()
    taken = both.take(events)
    return Collection(first.schema, taken.offsets[::2], taken.columns)
