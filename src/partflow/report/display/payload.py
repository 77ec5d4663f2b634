"""A scene as compact JSON: columns, and typed arrays in base64.

Positions are 16-bit integers in units of QUANTUM, energies of hits 16-bit logarithms: a tenth
of what text would take, and finer than a pixel or a printed digit.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from partflow.core.particles import CLASS_NAMES
from partflow.core.records import Array, Collection
from partflow.report.display.marks import TargetMark
from partflow.report.display.places import detector_parts
from partflow.report.display.scene import DisplayedSet, Scene
from partflow.report.formatting import class_words

QUANTUM = 0.25
"""Step of a stored position [mm]; a 16-bit integer reaches 8.19 m, beyond every yoke."""
MIN_ENERGY, ENERGY_STEP = 1e-5, 1 / 3000
"""A hit's energy [GeV] is stored as log(energy / MIN_ENERGY) / ENERGY_STEP, up to 30 TeV."""
DIGITS = 4
"""Significant digits of the other numbers."""


def payload(scene: Scene) -> dict[str, Any]:
    """What the viewer in the page reads."""
    event, hits, tracks, clusters = (
        scene.event, scene.event.hits, scene.event.tracks, scene.event.clusters
    )  # fmt: skip
    position = np.stack([hits.x, hits.y, hits.z], axis=1)
    momentum = tracks.pt * np.hypot(1, tracks.tan_lambda)
    return {
        "title": scene.title,
        "event_id": int(event.event_id[0]),
        "detector": scene.detector.name,
        "classes": {str(c): class_words(name) for c, name in CLASS_NAMES.items()},
        "parts": [list(part) for part in detector_parts(scene.detector)],
        "quantum": QUANTUM,
        "energy_scale": [MIN_ENERGY, ENERGY_STEP],
        "hits": {
            "place": _places(position),
            "energy": _packed(_logarithm(hits.energy_em), "<u2"),
            "kind": _packed(scene.hit_kind, "<u1"),
            "subdetector": _packed(hits.subdetector, "<u1"),
            "cluster": {e: _packed(scene.hit_clusters(e), "<i2") for e in scene.elements},
        },
        "tracks": {
            "place": _places(scene.paths),
            "points": scene.paths.shape[1],
            "momentum": _rounded(momentum),
            "charge": tracks.charge.tolist(),
        },
        "clusters": {
            "place": _places(np.stack([clusters.x, clusters.y, clusters.z], axis=1)),
            "energy": _rounded(clusters.energy_em),
            "hits": clusters.num_hits.tolist(),
        },
        "sets": [
            _set(one, len(tracks), scene.clusters(one.elements).energy_em) for one in scene.sets
        ],
    }


def to_json(scene: Scene) -> str:
    """The payload as JSON that may stand inside a script element: no `<` ends it early."""
    text = json.dumps(payload(scene), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def unpacked_places(text: str) -> Array:
    """Positions [point, 3] (mm) from their packed form: what the viewer decodes."""
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 3) * QUANTUM


def unpacked_energies(text: str) -> Array:
    """Energies of hits (GeV) from their packed form."""
    steps = np.frombuffer(base64.b64decode(text), "<u2")
    return np.exp(steps * ENERGY_STEP) * MIN_ENERGY


def _set(one: DisplayedSet, num_tracks: int, cluster_energy: Array) -> dict[str, Any]:
    missed = one.targets.select(one.marks.of_target == TargetMark.MISSED)
    lost = np.flatnonzero(one.marks.of_target == TargetMark.MISSED)
    element, wanted = one.marks.element, one.targets
    found = one.candidates
    return {
        "name": one.name,
        "judged": one.is_judged,
        "elements": one.elements,
        **_kinematics(found, found.phi),
        "place": _places(one.place),
        "mark": one.marks.of_candidate.tolist(),
        "track": found.track_index.tolist(),
        "cluster": found.cluster_index.tolist(),
        "wanted": np.where(element >= 0, np.append(wanted.pdg_id, 0)[element], 0).tolist(),
        "wanted_energy": _rounded(
            np.where(element >= 0, np.append(wanted.energy, 0.0)[element], 0)
        ),
        "missed": {
            **_kinematics(missed, np.arctan2(missed.sin_phi, missed.cos_phi)),
            "place": _places(one.target_place[lost]),
            "track": np.where(lost < num_tracks, lost, -1).tolist(),
            "cluster": np.where(lost >= num_tracks, lost - num_tracks, -1).tolist(),
        },
        "misplaced_clusters": one.misplaced_clusters(num_tracks, cluster_energy).tolist(),
    }


def _kinematics(particles: Collection, phi: Array) -> dict[str, Any]:
    return {
        "class": particles.pdg_id.tolist(),
        "energy": _rounded(particles.energy),
        "pt": _rounded(particles.pt),
        "eta": _rounded(particles.eta),
        "phi": _rounded(phi),
    }


def _places(position: Array) -> str:
    reach = np.iinfo(np.int16)
    steps = np.rint(np.nan_to_num(position) / QUANTUM)
    return _packed(np.clip(steps, reach.min, reach.max), "<i2")


def _logarithm(energy: Array) -> Array:
    steps = np.log(np.maximum(energy.astype(float), MIN_ENERGY) / MIN_ENERGY) / ENERGY_STEP
    return np.minimum(np.rint(steps), np.iinfo(np.uint16).max)


def _packed(values: Array, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(dtype).tobytes()).decode()


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
