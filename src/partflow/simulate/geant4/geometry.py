"""The calorimeters of a `Detector` as volumes of Geant4.

The barrel has twelve staves, the endcaps are discs with a hole, and a ring of HCAL layers stands
around the ECAL endcap. Each layer is its slabs (`Calorimeter.layer`), one behind the other; gaps of
air are the air of the volume around them. The solenoid's field fills the world, which ends behind
the HCAL: what leaves the calorimeters is gone.

In the barrel the inner face of a stave has the calorimeter's inner radius in its middle, and is up
to 3.5 % farther out at its edges. `deposits` maps that to the nested box of `core.detector`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.detector import Calorimeter, Detector
from partflow.core.outputs import replacing
from partflow.simulate.geant4.binding import g4
from partflow.simulate.geant4.layers import Part, check_layers, num_layers, num_ring_layers
from partflow.simulate.geant4.materials import find_material

NUM_STAVES = 12
_HALF_STAVE = math.pi / NUM_STAVES
_WORLD_MARGIN = 10.0  # mm
_AIR = "Air"


class Sensitive(NamedTuple):
    """An active slab; its copy number is its layer."""

    volume: Any
    """G4LogicalVolume."""
    part: Part


class Volumes(NamedTuple):
    """The volumes of a detector."""

    world: Any
    """G4VPhysicalVolume."""
    sensitive: tuple[Sensitive, ...]
    placements: tuple[Any, ...]
    """All physical volumes below the world."""
    references: tuple[Any, ...]
    """Objects that Geant4 uses but does not own on the side of Python: keep them."""


class _Builder:
    """Makes volumes and keeps what was made."""

    def __init__(self, detector: Detector, max_time: float) -> None:
        self.detector = detector
        self.references: list[Any] = []
        self.placements: list[Any] = []
        self.sensitive: list[Sensitive] = []
        self.air = find_material(_AIR)
        unlimited = 1e9
        self.limits = g4.G4UserLimits(unlimited, unlimited, max_time * g4.ns)

    def logical(self, solid: Any, material: Any, name: str) -> Any:
        """A logical volume in which no particle is followed beyond the time limit."""
        volume = g4.G4LogicalVolume(solid, material, name)
        volume.SetUserLimits(self.limits)
        self.references += [solid, volume]
        return volume

    def place(self, volume: Any, mother: Any, where: Any, name: str, copy: int) -> None:
        """Place a logical volume in another at `where`: a G4Transform3D, or a z [mm]."""
        if isinstance(where, float):
            position = g4.G4ThreeVector(0.0, 0.0, where)
            placed = g4.G4PVPlacement(None, position, volume, name, mother, False, copy)
        else:
            placed = g4.G4PVPlacement(where, volume, name, mother, False, copy)
        self.placements.append(placed)

    def fill(
        self, mother: Any, part: Part, calorimeter: Calorimeter, layers: int, shape: Any
    ) -> None:
        """Fill a mother volume with layers along its local z.

        `shape(name, front, thickness)` is the solid of a slab whose front is at a depth [mm].
        """
        depth = layers * calorimeter.layer_pitch
        for layer in range(layers):
            front = layer * calorimeter.layer_pitch
            for number, slab in enumerate(calorimeter.layer):
                if slab.material != _AIR:
                    name = f"{part.name.lower()}_{layer}_{number}"
                    solid = shape(name, front, slab.thickness)
                    material = find_material(slab.material)
                    volume = self.logical(solid, material, name)
                    middle = front + 0.5 * slab.thickness - 0.5 * depth
                    self.place(volume, mother, middle, name, layer)
                    if slab.is_active:
                        self.sensitive.append(Sensitive(volume, part))
                front += slab.thickness

    def barrel(self, world: Any, part: Part, calorimeter: Calorimeter) -> None:
        """Twelve staves; local z is the depth, local y the beam axis."""
        radius, depth, half = (
            calorimeter.inner_radius,
            calorimeter.depth,
            self.detector.ecal.endcap_z,
        )
        slope = math.tan(_HALF_STAVE)

        def trapezoid(name: str, front: float, thickness: float) -> Any:
            inner, outer = radius + front, radius + front + thickness
            solid = g4.G4Trd(name, inner * slope, outer * slope, half, half, 0.5 * thickness)
            return solid

        name = part.name.lower()
        stave = self.logical(trapezoid(name, 0.0, depth), self.air, name)
        self.fill(stave, part, calorimeter, num_layers(calorimeter), trapezoid)
        for copy in range(NUM_STAVES):
            phi = 2.0 * copy * _HALF_STAVE
            rotation = g4.G4RotationMatrix()
            rotation.rotateX(0.5 * math.pi)
            rotation.rotateZ(phi + 0.5 * math.pi)
            centre = radius + 0.5 * depth
            position = g4.G4ThreeVector(centre * math.cos(phi), centre * math.sin(phi), 0.0)
            self.references.append(rotation)
            self.place(stave, world, g4.G4Transform3D(rotation, position), name, copy)

    def disc(
        self,
        world: Any,
        part: Part,
        calorimeter: Calorimeter,
        layers: int,
        front: float,
        radii: tuple[float, float],
    ) -> None:
        """A disc, or ring, on either side; local z is the depth."""

        def tube(name: str, _: float, thickness: float) -> Any:
            return g4.G4Tubs(name, *radii, 0.5 * thickness, 0.0, 2.0 * math.pi)

        depth = layers * calorimeter.layer_pitch
        name = part.name.lower()
        volume = self.logical(tube(name, 0.0, depth), self.air, name)
        self.fill(volume, part, calorimeter, layers, tube)
        for copy, side in enumerate((-1.0, 1.0)):
            rotation = g4.G4RotationMatrix()
            if side < 0:
                rotation.rotateX(math.pi)
            position = g4.G4ThreeVector(0.0, 0.0, side * (front + 0.5 * depth))
            self.references.append(rotation)
            self.place(volume, world, g4.G4Transform3D(rotation, position), name, copy)


def build(detector: Detector, max_time: float) -> Volumes:
    """The volumes of a detector, with a limit [ns] to the time until which particles are followed.

    Raises ConfigError where slabs or materials are unknown.
    """
    check_layers(detector)
    builder = _Builder(detector, max_time)
    ecal, hcal = detector.ecal, detector.hcal
    radius = max((hcal.inner_radius + hcal.depth) / math.cos(_HALF_STAVE), hcal.endcap_outer_radius)
    solid = g4.G4Tubs(
        "world",
        0.0,
        radius + _WORLD_MARGIN,
        hcal.endcap_z + hcal.depth + _WORLD_MARGIN,
        0.0,
        2.0 * math.pi,
    )
    world = builder.logical(solid, builder.air, "world")
    placed = g4.G4PVPlacement(None, g4.G4ThreeVector(), world, "world", None, False, 0)
    hole = detector.endcap_material_inner_radius
    builder.barrel(world, Part.ECAL_BARREL, ecal)
    builder.barrel(world, Part.HCAL_BARREL, hcal)
    builder.disc(
        world, Part.ECAL_ENDCAP, ecal, num_layers(ecal), ecal.endcap_z,
        (hole, ecal.endcap_outer_radius),
    )  # fmt: skip
    builder.disc(
        world, Part.HCAL_ENDCAP, hcal, num_layers(hcal), hcal.endcap_z,
        (hole, hcal.endcap_outer_radius),
    )  # fmt: skip
    ring = num_ring_layers(detector)
    if ring > 0:
        front = hcal.endcap_z - ring * hcal.layer_pitch
        inner = ecal.endcap_outer_radius + detector.gap
        builder.disc(world, Part.HCAL_RING, hcal, ring, front, (inner, hcal.endcap_outer_radius))
    return Volumes(
        placed,
        tuple(builder.sensitive),
        tuple(builder.placements),
        (*builder.references, builder.limits, world, solid),
    )


def write_gdml(volumes: Volumes, path: Path) -> None:
    """Write the volumes as GDML; raises OutputError where `path` cannot be written."""
    with replacing(path) as temporary:
        temporary.unlink(missing_ok=True)  # Geant4 does not replace a file
        g4.G4GDMLParser().Write(str(temporary), volumes.world, True)
