"""The tracking detectors: layers, efficiency, resolution, material.

The defaults are CLICdet's. Sources: layers from k4geo CLIC_o3_v14; resolution from the fits to full
simulation in delphes_card_CLICdet_Stage1.tcl (arXiv:1909.12728, 1812.07337). Efficiency and
material are choices of ours, close to the CLICdet note (arXiv:1812.07337).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from partflow.core.errors import ConfigError


@dataclass(frozen=True)
class Tracker:
    """Layers, efficiency, resolution and material of the tracking detectors."""

    layer_radii: tuple[float, ...] = (31.0, 44.0, 58.0, 127.0, 340.0, 554.0, 819.0, 1153.0, 1486.0)
    """Radii of the barrel layers [mm]; a double layer of the vertex detector counts as one."""
    layer_half_lengths: tuple[float, ...] = (
        *(130.0,) * 3, *(481.6, 481.6, 692.3), *(1264.2,) * 3,
    )  # fmt: skip
    """Half lengths of the barrel layers [mm]."""
    disc_z: tuple[float, ...] = (
        *(181.0, 228.0, 275.0),
        *(524.0, 808.0, 1093.0, 1377.0, 1661.0, 1946.0, 2190.0),
        *(1310.0, 1617.0, 1883.0, 2190.0),
    )
    """abs(z) of the discs on both sides [mm]. A disc of the vertex detector, whose petals form a
    spiral, is at their mean."""
    disc_inner_radii: tuple[float, ...] = (
        *(33.0,) * 3, *(72.0, 99.0, 132.0, 164.0, 197.0, 231.0, 250.0), *(617.5,) * 4,
    )  # fmt: skip
    """Inner radii of the discs [mm]."""
    disc_outer_radii: tuple[float, ...] = (
        *(102.0,) * 3, 405.0, *(555.0,) * 6, *(1430.2,) * 4,
    )  # fmt: skip
    """Outer radii of the discs [mm]."""
    hit_efficiency: float = 0.98
    """Probability of a hit where a track crosses a layer."""
    hit_resolution: float = 0.007
    """Standard deviation of a hit's radius on a disc [mm]."""
    min_hits: int = 3
    """Least number of hits of a track; a circle has three parameters."""
    eta_edges: tuple[float, ...] = (0.18, 0.45, 0.88, 1.32, 1.74)
    """Edges in abs(eta) of the rows of the two terms below; the last row is for larger values."""
    curvature_term: tuple[float, ...] = (1.33e-5, 1.28e-5, 1.17e-5, 1.12e-5, 8.56e-5, 1.71e-4)
    """a [1/GeV] in sigma(pt)/pt = sqrt((a pt)^2 + b^2), per row of abs(eta)."""
    scattering_term: tuple[float, ...] = (0.00209, 0.00221, 0.00255, 0.00392, 0.0149, 0.0298)
    """b in sigma(pt)/pt, per row of abs(eta)."""
    electron_scattering_factor: float = 1.4
    """Factor on b for electrons, which also radiate."""
    max_efficiency: float = 0.995
    """Plateau of the track-finding efficiency; the fields below lower it."""
    min_pt: float = 0.10
    """Least transverse momentum of a track [GeV]."""
    pt_turn_on: float = 0.07
    """The efficiency rises above `min_pt` as 1 - exp(-(pt - min_pt)/pt_turn_on) [GeV]."""
    min_theta: float = 7.5
    """Least polar angle of a track [degrees]."""
    full_theta: float = 9.0
    """Polar angle above which the efficiency has its plateau [degrees]."""
    forward_efficiency: float = 0.8
    """Factor on the efficiency between `min_theta` and `full_theta`."""
    displaced_radius: float = 50.0
    """Production radius above which the efficiency falls, because layers are missing [mm]."""
    displaced_range: float = 900.0
    """The factor beyond `displaced_radius` is 1.05 - radius/displaced_range, from 0 to 1 [mm]."""
    max_vertex_z: float = 1500.0
    """Largest abs(z) of the production of a track [mm]."""
    min_length: float = 150.0
    """Least transverse path of a track that ends in the tracker [mm]."""
    full_length: float = 500.0
    """Path above which a track that ends in the tracker is found like any other; the efficiency
    is linear between `min_length` and this [mm]."""
    radiation_lengths: float = 0.12
    """Radial thickness of the tracker at 90 degrees, in X0."""
    interaction_lengths: float = 0.035
    """Radial thickness of the tracker at 90 degrees, in nuclear interaction lengths."""
    beam_pipe_radius: float = 28.0
    """Radius at which the material begins [mm]."""
    vertex_radius: float = 120.0
    """Outer radius of the vertex detector [mm]."""
    vertex_material: float = 0.3
    """Fraction of the material in beam pipe and vertex detector; the rest is at larger radii."""
    material_to_face: float = 50.0
    """Distance from the outermost material to the calorimeter in the barrel [mm]."""
    max_slant: float = 6.0
    """Upper limit of 1/sin(theta), the factor on the material for inclined tracks."""


def check_tracker(tracker: Tracker, name: str, face_radius: float, face_half_length: float) -> None:
    """Refuse layers out of order or outside the tracker, and tables of unequal length.

    `name` is that of the detector, whose calorimeter begins at `face_radius` and abs(z) =
    `face_half_length` [mm]. Raises ConfigError, naming the field.
    """
    radii = (0.0, *tracker.layer_radii, face_radius)
    if len(radii) < 3 or not all(inner < outer for inner, outer in pairwise(radii)):
        raise ConfigError(
            f"{name}: tracker.layer_radii = {tracker.layer_radii}; they must rise between "
            f"0 and the ECAL ({face_radius} mm)"
        )
    if not all(low < high for low, high in pairwise((0.0, *tracker.eta_edges))):
        raise ConfigError(f"{name}: tracker.eta_edges = {tracker.eta_edges}; they must rise")
    num_rows = {
        "layer_half_lengths": (len(tracker.layer_radii), "layer_radii"),
        "disc_inner_radii": (len(tracker.disc_z), "disc_z"),
        "disc_outer_radii": (len(tracker.disc_z), "disc_z"),
        "curvature_term": (len(tracker.eta_edges) + 1, "eta_edges"),
        "scattering_term": (len(tracker.eta_edges) + 1, "eta_edges"),
    }
    for key, (needed, reason) in num_rows.items():
        terms = getattr(tracker, key)
        if len(terms) != needed:
            raise ConfigError(
                f"{name}: tracker.{key} has {len(terms)} rows, but {reason} makes {needed}"
            )
        if not all(0 <= term < math.inf for term in terms):
            raise ConfigError(f"{name}: tracker.{key} = {terms}; none can be negative")
    if not all(0 < z < face_half_length for z in tracker.disc_z):
        raise ConfigError(
            f"{name}: tracker.disc_z = {tracker.disc_z}; discs must be between 0 and the ECAL "
            f"endcap ({face_half_length} mm)"
        )
    _check_numbers(tracker, name, face_radius)


def _check_numbers(tracker: Tracker, name: str, face_radius: float) -> None:
    """Refuse numbers out of range, turn-ons that fall, and material out of order."""
    for key in (
        "electron_scattering_factor", "radiation_lengths", "interaction_lengths", "hit_resolution",
        "min_pt", "min_theta", "displaced_radius", "max_vertex_z", "min_length", "min_hits",
    ):  # fmt: skip
        if not 0 <= getattr(tracker, key) < math.inf:
            raise ConfigError(
                f"{name}: tracker.{key} = {getattr(tracker, key)}; it cannot be negative"
            )
    for key in ("pt_turn_on", "displaced_range", "max_slant"):
        if not 0 < getattr(tracker, key) < math.inf:
            raise ConfigError(f"{name}: tracker.{key} = {getattr(tracker, key)}; give one above 0")
    for key in ("max_efficiency", "hit_efficiency", "forward_efficiency", "vertex_material"):
        if not 0 <= getattr(tracker, key) <= 1:
            raise ConfigError(
                f"{name}: tracker.{key} = {getattr(tracker, key)}; it must be between 0 and 1"
            )
    rising = {
        "full_theta": (tracker.min_theta, tracker.full_theta),
        "full_length": (tracker.min_length, tracker.full_length),
        "vertex_radius": (tracker.beam_pipe_radius, tracker.vertex_radius),
    }
    for key, (low, high) in rising.items():
        if not low < high:
            raise ConfigError(f"{name}: tracker.{key} = {high}; it must be above {low}")
    last = face_radius - tracker.material_to_face
    if not tracker.beam_pipe_radius > 0 or not tracker.vertex_radius < last:
        raise ConfigError(
            f"{name}: the tracker's material begins at {tracker.beam_pipe_radius} mm, goes on from "
            f"{tracker.vertex_radius} mm and ends at {last} mm; these must rise"
        )
