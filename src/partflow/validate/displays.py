"""Event displays: one picture of one event, with what the baseline got wrong in red.

Three views (across the beam, along it, and into the leading jet), each twice: hits by the
particle that lit them, and by the cluster they are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from partflow.core.detector import ENDCAP, FACE_NONE, Detector
from partflow.core.helix import HelixState, to_calorimeter
from partflow.core.kinematics import delta_phi, eta_from_momentum
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection, Events
from partflow.evaluate.energy_flow import EnergyOrigin, origin_of_particles
from partflow.report.display.places import detector_parts, track_paths
from partflow.report.display.still import Projection, draw_outline
from partflow.report.display.still import across as seen_across
from partflow.report.display.still import along as seen_along
from partflow.report.style import BLUE, GREEN, ORANGE, PURPLE
from partflow.validate.measure.confusion import Found, found_of_deposits

RED = "#e00000"
TRUTH_COLOURS = {
    EnergyOrigin.PHOTON: ORANGE,
    EnergyOrigin.NEUTRAL_HADRON: GREEN,
    EnergyOrigin.WITH_TRACK: BLUE,
    EnergyOrigin.WITHOUT_TRACK: PURPLE,
}
CANDIDATE_COLOURS = {22: ORANGE, 130: GREEN, 211: BLUE, 11: "#56b4e9", 13: "black"}
CLUSTER_COLOURS = (
    "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#7f7f7f", "#005f73",
    "#94d2bd", "#3a5a40", "#6a4c93", "#577590",
)  # fmt: skip
"""No red among them: red is a mistake."""
MIN_MARKED = 0.5
"""Particles and candidates above this energy are marked [GeV]."""
JET_WINDOW = 0.3
"""Half width of the view into the leading jet [rad]."""
MAX_JUMP = 300.0
"""Between two points of a drawn track [mm]."""
_TRUTH_RING, _CANDIDATE_RING = 0.96, 0.90
"""Where the marks stand, as parts of the way to the calorimeter face."""


class Mistake(NamedTuple):
    """A way in which the energy of a hit is misplaced."""

    name: str
    marker: str
    is_shown: Array
    """[hit]"""
    energy: float
    """EM-scale energy of all deposits of this kind in the event [GeV]."""


@dataclass(frozen=True)
class Display:
    """One event as it is drawn."""

    event: Events
    """A single event with all its collections."""
    truth: Array
    """`EnergyOrigin` of the particle with most of each hit, [hit]."""
    mistakes: tuple[Mistake, ...]
    particle_face: Array
    """Where each particle with energy above MIN_MARKED meets the calorimeter, [particle, 3]."""
    particle_truth: Array
    particle_energy: Array
    face: tuple[float, float]
    """Radius of the barrel's face and abs(z) of the endcap's [mm]."""


def draw_display(event: Events, detector: Detector, title: str, path: Path) -> None:
    """Draw one event (`event` holds exactly one) and write it as PNG."""
    display = prepare(event, detector)
    figure = Figure(figsize=(22.5, 14.5), layout="constrained")
    calorimeters = [part for part in detector_parts(detector) if part.name in ("ECAL", "HCAL")]
    rows = figure.subplots(2, 3, width_ratios=(1, 1.22, 1))
    for (across, along, jet), by_truth in zip(rows, (True, False), strict=True):
        views = (
            View("x [mm]", "y [mm]", across, seen_across),
            View("z [mm]", "r with the sign of y [mm]", along, seen_along),
            View("Δφ [rad]", "Δη", jet, _toward(_leading_direction(event))),
        )
        draw_outline(across, along, calorimeters)
        for view in views:
            _draw_hits(view, display, by_truth)
            if view.axes is not jet:  # there the lines would only cross the picture
                _draw_tracks(view, event.tracks)
            _draw_marks(view, display, by_truth)
            view.axes.set_xlabel(view.x_label)
            view.axes.set_ylabel(view.y_label)
        across.set_title(
            "Hits by the particle that lit them" if by_truth else "Hits by cluster", loc="left"
        )
        jet.set_xlim(-JET_WINDOW, JET_WINDOW)
        jet.set_ylim(-JET_WINDOW, JET_WINDOW)
        jet.set_title("Into the leading jet", loc="left")
        along.legend(handles=_legend(display, by_truth), loc="upper right", fontsize=11)
    figure.suptitle(title, fontsize=17)
    figure.savefig(path, dpi=100)


def prepare(event: Events, detector: Detector) -> Display:
    """Everything that the views draw."""
    deposits, hits, particles = event.contributions, event.hits, event.particles
    truth = origin_of_particles(event.particles, event.track_particles)
    found = found_of_deposits(event)
    of_deposit = truth[deposits.particle_index]
    order = np.argsort(deposits.energy_em, kind="stable")  # the largest is written last
    of_hit, column = np.zeros(len(hits), dtype=np.int64), np.zeros(len(hits), dtype=np.int64)
    of_hit[deposits.hit_index[order]] = of_deposit[order]
    column[deposits.hit_index[order]] = found[order]
    is_neutral = (of_hit == EnergyOrigin.PHOTON) | (of_hit == EnergyOrigin.NEUTRAL_HADRON)
    as_neutral = (column == Found.PHOTON) | (column == Found.NEUTRAL_HADRON)
    kinds = (
        ("absorbed by a track", "o", is_neutral & (column == Found.OTHER_CHARGED)),
        ("counted twice", "x", (of_hit == EnergyOrigin.WITH_TRACK) & as_neutral),
    )
    energy = np.bincount(deposits.hit_index, deposits.energy_em, len(hits))
    marked = (particles.energy > MIN_MARKED) & ~is_neutrino(particles.pdg_id)
    face = _faces(particles, detector)
    reaches = marked & np.isfinite(face).all(axis=1)
    return Display(
        event,
        of_hit,
        tuple(Mistake(n, m, shown, float(energy[shown].sum())) for n, m, shown in kinds),
        face[reaches],
        truth[reaches],
        particles.energy[reaches],
        (detector.ecal.inner_radius, detector.ecal.endcap_z),
    )


class View(NamedTuple):
    """A projection and where it is drawn."""

    x_label: str
    y_label: str
    axes: Axes
    project: Projection
    """Positions [point, 3] (mm) to two coordinates."""


def _without_jumps(x: Array, y: Array, limit: float) -> tuple[Array, Array]:
    """A line that is broken where it jumps by more than `limit`: where r changes its sign."""
    jumps = np.flatnonzero(np.abs(np.diff(y)) > limit) + 1
    return np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan)


def _toward(direction: tuple[float, float]) -> Projection:
    """Projection on azimuth and pseudorapidity about a direction (eta, phi)."""

    def project(position: Array) -> tuple[Array, Array]:
        x, y, z = position.T
        away = delta_phi(np.arctan2(y, x), direction[1])
        return away, eta_from_momentum(x, y, z) - direction[0]

    return project


def _leading_direction(event: Events) -> tuple[float, float]:
    """(eta, phi) of the energy-weighted mean direction of hits about the most energetic cluster."""
    clusters = event.clusters
    if len(clusters) == 0:
        return 0.0, 0.0
    unit = np.stack([clusters.x, clusters.y, clusters.z], axis=1)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    # The cluster with the most energy within the window about it: a jet's, not a lonely photon's.
    near = unit @ unit.T > np.cos(JET_WINDOW)
    core = int(np.argmax(near @ clusters.energy_em))
    axis = (unit[near[core]] * clusters.energy_em[near[core], None]).sum(axis=0, keepdims=True)
    return float(eta_from_momentum(*axis.T)[0]), float(np.arctan2(axis[0, 1], axis[0, 0]))


def _faces(particles: Collection, detector: Detector) -> Array:
    """Where each particle meets the calorimeter, NaN where it does not, [particle, 3] (mm)."""
    geometry = detector.geometry()
    columns = ("vx", "vy", "vz", "px", "py", "pz", "charge")
    faces = np.full((len(particles), 3), np.nan)
    for i, row in enumerate(zip(*(particles.columns[c].tolist() for c in columns), strict=True)):
        face, x, y, z, *_ = to_calorimeter(geometry, HelixState(*row))
        if face != FACE_NONE:
            faces[i] = x, y, z
    return faces


def _draw_hits(view: View, display: Display, by_truth: bool) -> None:
    event = display.event
    hits = event.hits
    position = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    x, y = view.project(position)
    size = np.clip(14 * np.sqrt(hits.energy_em), 1.0, 45)
    faint = (hits.region == ENDCAP) & (view.project is seen_across)
    if by_truth:
        colours = np.array([TRUTH_COLOURS[EnergyOrigin(t)] for t in range(len(EnergyOrigin))])[
            display.truth
        ]
    else:
        cluster = event.hit_clusters.cluster_index
        colours = np.array([*CLUSTER_COLOURS, "0.8"])[
            np.where(cluster < 0, len(CLUSTER_COLOURS), cluster % len(CLUSTER_COLOURS))
        ]
    for chosen, alpha in ((faint, 0.25), (~faint, 0.75)):
        view.axes.scatter(
            x[chosen], y[chosen], s=size[chosen], c=colours[chosen], alpha=alpha, linewidths=0
        )
    if by_truth:
        return
    for mistake in display.mistakes:
        shown = mistake.is_shown
        view.axes.scatter(
            x[shown], y[shown], s=size[shown] + 4, c=RED, marker=mistake.marker,
            linewidths=0.8 if mistake.marker == "x" else 0, zorder=3,
        )  # fmt: skip


def _draw_tracks(view: View, tracks: Collection) -> None:
    for path in track_paths(tracks):
        x, y = _without_jumps(*view.project(path), limit=MAX_JUMP)
        view.axes.plot(x, y, "-", color="0.35", linewidth=0.7, zorder=1)


def _draw_marks(view: View, display: Display, by_truth: bool) -> None:
    """True particles as open circles, candidates as filled triangles, before the face."""
    in_space = view.project in (seen_across, seen_along)
    if by_truth:
        x, y = view.project(display.particle_face * (_TRUTH_RING if in_space else 1.0))
        colours = [TRUTH_COLOURS[EnergyOrigin(t)] for t in display.particle_truth]
        view.axes.scatter(
            x, y, s=_mark_size(display.particle_energy), facecolors="none", edgecolors=colours,
            linewidths=1.2, zorder=2,
        )  # fmt: skip
        return
    candidates = display.event.baseline
    shown = candidates.select(candidates.energy > MIN_MARKED)
    position = _candidate_faces(shown, display)
    x, y = view.project(position * (_CANDIDATE_RING if in_space else 1.0))
    colours = [CANDIDATE_COLOURS[c] for c in shown.pdg_id.tolist()]
    view.axes.scatter(
        x, y, s=_mark_size(shown.energy), marker="^", facecolors="none", edgecolors=colours,
        linewidths=1.2, zorder=2,
    )  # fmt: skip


def _mark_size(energy: Array) -> Array:
    return np.clip(40 * np.sqrt(energy), 20, 400)


def _candidate_faces(candidates: Collection, display: Display) -> Array:
    """Where a candidate's track or its cluster's line meets the calorimeter, [candidate, 3]."""
    tracks, clusters = display.event.tracks, display.event.clusters
    position = np.full((len(candidates), 3), np.nan)
    has_track = candidates.track_index >= 0
    face = np.stack([tracks.face_x, tracks.face_y, tracks.face_z], axis=1)
    face[tracks.face_region == FACE_NONE] = np.nan
    position[has_track] = face[candidates.track_index[has_track]]
    row = candidates.cluster_index[~has_track]
    centroid = np.stack([clusters.x, clusters.y, clusters.z], axis=1)[row]
    radius, end = display.face
    depth = np.maximum(np.hypot(*centroid[:, :2].T) / radius, np.abs(centroid[:, 2]) / end)
    position[~has_track] = centroid / np.maximum(depth, 1.0)[:, None]
    return position


def _legend(display: Display, by_truth: bool) -> Sequence[Line2D]:
    def dot(colour: str, label: str, marker: str = "o") -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, label=label)

    if by_truth:
        names = ("photon", "neutral hadron", "charged with track", "charged without track")
        return [dot(TRUTH_COLOURS[EnergyOrigin(i)], name) for i, name in enumerate(names)]
    return [
        dot(RED, f"{m.name}: {m.energy:.1f} GeV", m.marker) for m in display.mistakes
    ] + [dot(c, n, "^") for n, c in (("photon", ORANGE), ("neutral hadron", GREEN),
                                     ("charged", BLUE))]  # fmt: skip
