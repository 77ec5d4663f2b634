"""Numbers of layers and their parts, as the volumes of `geometry` and the cells both use them."""

from __future__ import annotations

import math
from enum import IntEnum

from partflow.core.detector import Calorimeter, Detector
from partflow.core.errors import ConfigError


class Part(IntEnum):
    """Parts of the calorimeters whose layers are counted separately."""

    ECAL_BARREL, ECAL_ENDCAP, HCAL_BARREL, HCAL_ENDCAP, HCAL_RING = range(5)


def num_ring_layers(detector: Detector) -> int:
    """Whole HCAL layers between the beginning of the ring and the HCAL endcap's first layer."""
    return int((detector.hcal.endcap_z - detector.ring_z) / detector.hcal.layer_pitch + 1e-9)


def num_layers(part: Calorimeter) -> int:
    """Layers along the depth of a calorimeter."""
    return part.num_groups * part.layers_per_group


def active_depth(part: Calorimeter) -> float:
    """Depth of the middle of the active slab in its layer [mm]."""
    depth = 0.0
    for slab in part.layer:
        if slab.is_active:
            return depth + 0.5 * slab.thickness
        depth += slab.thickness
    raise ConfigError("a layer without an active slab")


def check_layers(detector: Detector) -> None:
    """Raise ConfigError where the slabs of a layer are not known or do not fill it."""
    for name, part in (("ecal", detector.ecal), ("hcal", detector.hcal)):
        if not part.layer:
            raise ConfigError(
                f"{detector.name}: {name}.layer is missing; Geant4 needs the slabs of a layer: "
                f'"{name}": {{"layer": [{{"material": "G4_W", "thickness": 1.9}}, ...]}}'
            )
        thickness = math.fsum(slab.thickness for slab in part.layer)
        if abs(thickness - part.layer_pitch) > 1e-6:
            raise ConfigError(
                f"{detector.name}: the slabs of {name}.layer are {thickness:g} mm thick, but a "
                f"layer has {part.layer_pitch:g} mm (depth / num_groups / layers_per_group); give "
                "the slabs of this detector"
            )
