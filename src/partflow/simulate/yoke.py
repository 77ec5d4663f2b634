"""The return yoke: its layers and cells, its hits, and the hits near a track.

Behind the calorimeter paths are straight: the return field is left out. A track counts, layer by
layer, the hits near the line on which it leaves the calorimeter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ENDCAP, FACE_NONE, MUON, Detector, Geometry
from partflow.core.helix import MIN_PT, HelixState, advance, path_to_cylinder
from partflow.core.records import Array, Collection, concatenate, offsets_from_counts
from partflow.core.schemas import CONTRIBUTIONS, HITS
from partflow.simulate.directions import Ray

_SCATTERING = 0.0136  # GeV, times the root of the radiation lengths (PDG review)
_WINDOW = 3.0  # resolutions (scattering and cell size) within which a hit belongs to a track

YOKE_HIT = np.dtype(
    [
        ("x", "f4"),
        ("y", "f4"),
        ("z", "f4"),
        ("time", "f4"),
        ("layer", "i2"),
        ("region", "i1"),
        ("particle_index", "i4"),
    ],
    align=True,
)
"""The hit of one particle in one cell: centre of the cell [mm], time [ns], generator particle."""


class YokeConstants(NamedTuple):
    """The yoke, and what is in front of it, for kernels. Lengths in mm."""

    geometry: Geometry
    solenoid_r: float
    """Radius at which paths become straight: the end of the calorimeter."""
    solenoid_z: float
    """abs(z) at which paths become straight."""
    radii: Array
    """[layer]: radii of the barrel's layers."""
    planes: Array
    """[layer]: abs(z) of the endcap's layers."""
    endcap_z: float
    outer_r: float
    hole_r: float
    cell: float
    efficiency: float
    muon_loss: float
    """Energy that a muon loses in front of the yoke [GeV]."""
    muon_loss_per_layer: float
    """Energy that it loses in one layer [GeV]."""
    scattering: float
    """Scattering angle of a muon behind the calorimeter, times its momentum [GeV]."""


def yoke_constants(detector: Detector) -> YokeConstants:
    """The constants of the yoke of a detector."""
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
def leave(yoke, x, y, z, px, py, pz, charge):
    """The Ray on which a path from the calorimeter's face leaves calorimeter and field."""
    pt = math.hypot(px, py)
    if pt > MIN_PT:
        path = path_to_cylinder(yoke.geometry.bending, x, y, px, py, charge, yoke.solenoid_r)
        if pz != 0.0:
            face_z = yoke.solenoid_z if pz > 0.0 else -yoke.solenoid_z
            path = min(path, (face_z - z) * pt / pz)
        if path < yoke.geometry.max_path:  # otherwise it curls up inside
            x, y, z, px, py = advance(
                yoke.geometry.bending, HelixState(x, y, z, px, py, pz, charge), path
            )
    momentum = math.sqrt(px * px + py * py + pz * pz)
    return Ray(x, y, z, px / momentum, py / momentum, pz / momentum)


@njit(cache=True, error_model="numpy")
def crossing(yoke, region, layer, ray):
    """Whether a ray outwards crosses a layer, and where: (is_crossed, x, y, z) [mm]."""
    x, y, z, dx, dy, dz = ray
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
    """Centre (x, y, z) [mm] of the cell at a point of a layer."""
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
        ray = leave(
            yoke, track.face_x, track.face_y, track.face_z,
            momentum * track.face_dx, momentum * track.face_dy, momentum * track.face_dz,
            np.int64(track.charge),  # the type of a flight's: compiled once
        )  # fmt: skip
        for step in range(2 * num_layers):
            region, layer = (BARREL, step) if step < num_layers else (ENDCAP, step - num_layers)
            is_crossed, x, y, z = crossing(yoke, region, layer, ray)
            if not is_crossed:
                continue
            distance = math.sqrt((x - ray.x) ** 2 + (y - ray.y) ** 2 + (z - ray.z) ** 2)
            window = _WINDOW * math.hypot(yoke.cell, distance * yoke.scattering / momentum)
            for hit in hits:
                if hit.region != region or hit.layer != layer:
                    continue
                if (hit.x - x) ** 2 + (hit.y - y) ** 2 + (hit.z - z) ** 2 < window**2:
                    track.num_yoke_hits += 1
                    break


def with_yoke_hits(
    hits: Collection,
    contributions: Collection,
    yoke_hits: list[Array],
    hit_energy: float,
    has_times: bool,
) -> tuple[Collection, Collection]:
    """Hits and contributions, followed in each event by those of the yoke.

    `yoke_hits` [event] are rows of YOKE_HIT, `hit_energy` [GeV, EM scale] is the energy of each.
    Rows in the same cell are one hit, with the sum of its contributions.
    """
    rows = np.concatenate([np.empty(0, dtype=YOKE_HIT), *yoke_hits])
    event = np.repeat(np.arange(len(yoke_hits)), [len(part) for part in yoke_hits])
    order = np.lexsort((rows["z"], rows["y"], rows["x"], rows["layer"], rows["region"], event))
    rows, event = rows[order], event[order]
    cell = np.stack([event, *(rows[name] for name in ("region", "layer", "x", "y", "z"))])
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (cell[:, 1:] != cell[:, :-1]).any(axis=0)
    hit = np.cumsum(is_first) - 1
    counts = np.bincount(event[is_first], minlength=len(yoke_hits))
    first = np.flatnonzero(is_first)
    time = np.minimum.reduceat(rows["time"], first) if len(first) else np.empty(0)
    columns = {name: rows[name][first] for name in ("x", "y", "z", "region", "layer")} | {
        "energy_em": hit_energy * np.bincount(hit, minlength=len(first)),
        "subdetector": np.full(len(first), MUON),
        "time": time if has_times else np.zeros(len(first)),
    }
    new_hits = Collection(HITS, offsets_from_counts(counts), columns)
    new_contributions = Collection(
        CONTRIBUTIONS,
        offsets_from_counts(np.bincount(event, minlength=len(yoke_hits))),
        {
            "hit_index": hit - new_hits.offsets[:-1][event] + hits.counts[event],
            "particle_index": rows["particle_index"],
            "energy_em": np.full(len(rows), hit_energy),
        },
    )
    return _joined(hits, new_hits), _joined(contributions, new_contributions)


def _joined(first: Collection, second: Collection) -> Collection:
    """The objects of both collections, event by event, those of the first in front."""
    num = first.num_events
    both = concatenate([first, second])
    events = np.stack([np.arange(num), num + np.arange(num)], axis=1).ravel()
    taken = both.take(events)
    return Collection(first.schema, taken.offsets[::2], taken.columns)
