"""The data of a display in its page: compact JSON with arrays in base64.

Positions are 16-bit integers in units of QUANTUM, energies of hits 16-bit logarithms. This takes
a tenth of the size of text and is more precise than a pixel or a printed digit.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from markupsafe import Markup

from partflow.core.particles import CLASS_NAMES
from partflow.core.records import Array, Collection
from partflow.report.display.marks import TargetMark, values_at
from partflow.report.display.places import detector_parts
from partflow.report.display.scene import DisplayedSet, Scene
from partflow.report.formatting import spaced

QUANTUM = 0.25
"""Step of a stored position [mm]; a 16-bit integer reaches 8.19 m, beyond every yoke."""
MIN_ENERGY, ENERGY_STEP = 1e-5, 1 / 3000
"""A hit's energy [GeV] is stored as log(energy / MIN_ENERGY) / ENERGY_STEP, up to 30 TeV."""
DIGITS = 4
"""Significant digits of the other numbers."""


def payload(scene: Scene) -> dict[str, Any]:
    """The data that the viewer in the page reads."""
    event, hits, tracks, clusters = (
        scene.event, scene.event.hits, scene.event.tracks, scene.event.clusters
    )  # fmt: skip
    momentum = tracks.pt * np.hypot(1, tracks.tan_lambda)
    return {
        "title": scene.title,
        "event_id": int(event.event_id[0]),
        "detector": scene.detector.name,
        "classes": {str(c): spaced(name) for c, name in CLASS_NAMES.items()},
        "parts": [list(part) for part in detector_parts(scene.detector)],
        "quantum": QUANTUM,
        "energy_scale": [MIN_ENERGY, ENERGY_STEP],
        "hits": {
            "position": _packed_positions(np.stack([hits.x, hits.y, hits.z], axis=1)),
            "energy": _packed(_logarithm(hits.energy_em), "<u2"),
            "kind": _packed(scene.hit_kind, "<u1"),
            "subdetector": _packed(hits.subdetector, "<u1"),
            "cluster": {e: _packed(scene.hit_clusters(e), "<i2") for e in scene.element_sets},
        },
        "tracks": {
            "position": _packed_positions(scene.paths),
            "points": scene.paths.shape[1],
            "momentum": _rounded(momentum),
            "charge": tracks.charge.tolist(),
        },
        "clusters": {
            "position": _packed_positions(np.stack([clusters.x, clusters.y, clusters.z], axis=1)),
            "energy": _rounded(clusters.energy_em),
            "hits": clusters.num_hits.tolist(),
        },
        "sets": [
            _set(displayed, len(tracks), scene.clusters(displayed.element_set).energy_em)
            for displayed in scene.sets
        ],
    }


def to_json(scene: Scene) -> Markup:
    """The data as JSON inside a script element, which no `<` in it can end."""
    text = json.dumps(payload(scene), allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def unpacked_positions(text: str) -> Array:
    """Positions [point, 3] (mm) from their packed form, as the viewer decodes them."""
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 3) * QUANTUM


def unpacked_energies(text: str) -> Array:
    """Energies of hits [hit] (GeV) from their packed form, as the viewer decodes them."""
    steps = np.frombuffer(base64.b64decode(text), "<u2")
    return np.exp(steps * ENERGY_STEP) * MIN_ENERGY


def _set(displayed: DisplayedSet, num_tracks: int, cluster_energy: Array) -> dict[str, Any]:
    """The data of one candidate set; `cluster_energy` is the EM-scale energy [cluster] (GeV)."""
    candidates, targets = displayed.candidates, displayed.targets
    is_missed = displayed.marks.of_target == TargetMark.MISSED
    missed, missed_element = targets.select(is_missed), np.flatnonzero(is_missed)
    target_class, target_energy = values_at(displayed.marks.element, targets.pdg_id, targets.energy)
    on_track = missed_element < num_tracks
    return {
        "name": displayed.name,
        "is_judged": displayed.is_judged,
        "element_set": displayed.element_set,
        **_kinematics(candidates, candidates.phi),
        "position": _packed_positions(displayed.position),
        "mark": displayed.marks.of_candidate.tolist(),
        "track": candidates.track_index.tolist(),
        "cluster": candidates.cluster_index.tolist(),
        "target_class": target_class.tolist(),
        "target_energy": _rounded(target_energy),
        "missed": {
            **_kinematics(missed, np.arctan2(missed.sin_phi, missed.cos_phi)),
            "position": _packed_positions(displayed.target_position[is_missed]),
            "track": np.where(on_track, missed_element, -1).tolist(),
            "cluster": np.where(on_track, -1, missed_element - num_tracks).tolist(),
        },
        "misplaced_clusters": displayed.misplaced_clusters(num_tracks, cluster_energy).tolist(),
    }


def _kinematics(particles: Collection, phi: Array) -> dict[str, Any]:
    """Class, energy and direction of particles; `phi` is their azimuth [particle] (rad)."""
    return {
        "class": particles.pdg_id.tolist(),
        "energy": _rounded(particles.energy),
        "pt": _rounded(particles.pt),
        "eta": _rounded(particles.eta),
        "phi": _rounded(phi),
    }


def _packed_positions(position: Array) -> str:
    """Positions [..., 3] (mm) as 16-bit integers in base64."""
    limits = np.iinfo(np.int16)
    steps = np.rint(np.nan_to_num(position) / QUANTUM)
    return _packed(np.clip(steps, limits.min, limits.max), "<i2")


def _logarithm(energy: Array) -> Array:
    """Energies [hit] (GeV) as multiples of ENERGY_STEP on a logarithmic scale."""
    steps = np.log(np.maximum(energy.astype(float), MIN_ENERGY) / MIN_ENERGY) / ENERGY_STEP
    return np.minimum(np.rint(steps), np.iinfo(np.uint16).max)


def _packed(values: Array, dtype: str) -> str:
    """The values as `dtype` in base64."""
    return base64.b64encode(np.ascontiguousarray(values).astype(dtype).tobytes()).decode()


def _rounded(values: Array) -> list[float]:
    """The values with DIGITS significant digits."""
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
