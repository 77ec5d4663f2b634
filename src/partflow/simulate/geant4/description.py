"""A detector as Geant4 sees it: its material in numbers, and its volumes as GDML.

Both need Geant4, but none of its data sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from partflow.core.detector import Calorimeter, Detector
from partflow.simulate.geant4.data_sets import require_geant4, use_none
from partflow.simulate.geant4.layers import check_layers, num_layers

_NO_LIMIT = 1e9  # ns


class Depth(NamedTuple):
    """Thickness of matter."""

    millimetres: float
    radiation_lengths: float
    interaction_lengths: float


def slab_depths(part: Calorimeter) -> list[Depth]:
    """The depth of each slab of a layer, with Geant4's radiation and interaction lengths."""
    from partflow.simulate.geant4.materials import find_material

    depths = []
    for slab in part.layer:
        material = find_material(slab.material)
        depths.append(
            Depth(
                slab.thickness,
                slab.thickness / material.GetRadlen(),
                slab.thickness / material.GetNuclearInterLength(),
            )
        )
    return depths


def calorimeter_depth(part: Calorimeter) -> Depth:
    """The depth of all layers of a calorimeter."""
    sums = [sum(column) for column in zip(*slab_depths(part), strict=True)]
    return Depth(*(num_layers(part) * value for value in sums))


def material_table(detector: Detector) -> str:
    """A table of the slabs of each calorimeter, and of its depth beside the detector's figures.

    Raises ConfigError where Geant4 or the slabs are missing, or a material is unknown.
    """
    require_geant4()
    check_layers(detector)
    use_none()
    lines = []
    for name, part in (("ECAL", detector.ecal), ("HCAL", detector.hcal)):
        lines.append(f"{name}: {num_layers(part)} layers of {part.layer_pitch:g} mm")
        lines.append(f"  {'slab':<18}{'mm':>8}{'X0':>9}{'lambda':>9}")
        for slab, depth in zip(part.layer, slab_depths(part), strict=True):
            active = "*" if slab.is_active else ""
            lines.append(_row(slab.material + active, depth))
        lines.append(_row("all layers", calorimeter_depth(part)))
        figures = Depth(
            part.depth, part.depth / part.radiation_length, part.depth / part.interaction_length
        )
        lines.append(_row("fast simulation", figures))
        lines.append("")
    return "\n".join([*lines, "* active; lambda is the nuclear interaction length"])


def _row(name: str, depth: Depth) -> str:
    return f"  {name:<18}{depth[0]:>8.2f}{depth[1]:>9.3f}{depth[2]:>9.4f}"


def export_gdml(detector: Detector, path: Path) -> None:
    """Write the calorimeters of a detector as GDML.

    Raises ConfigError as `material_table` does, OutputError where `path` cannot be written.
    """
    require_geant4()
    check_layers(detector)
    use_none()
    from partflow.simulate.geant4.geometry import build, write_gdml

    write_gdml(build(detector, _NO_LIMIT), path)
