"""The description of a detector: geometry, field, cells, media, digitisation.

Lengths in mm, energies in GeV, field in T. The calorimeter is a nested box: a barrel for
abs(z) < `ecal.endcap_z`, planes beyond it; several layers are read out as one group.

A `Detector` is what a user describes in a file or `core.known_detectors` holds. All other classes
about the detector are derived from it, each for one purpose:

    name or JSON file
      |  core.detector_file.find_detector
      v
    Detector             ecal, hcal: Calorimeter; tracker: Tracker; yoke: Yoke; hadron_scale
      |
      +-- Geometry             field and calorimeters as plain numbers, for kernels (core.helix)
      |     +-- CellGrid         simulate: the readout cell of a point, and its centre
      |     +-- ShowerConstants  simulate: with the media of the calorimeters, for showers
      |     +-- NoiseConstants   simulate: electronic noise of all cells
      |     +-- YokeConstants    simulate: hits of muons in the yoke
      +-- TrackerConstants     simulate: layers, efficiency and resolution of tracks
      +-- TrackerMaterial      simulate: radiation and interaction lengths in the tracker
      +-- Calorimeters         reconstruct: depths and sizes for clustering
      +-- HadronScale          core: software compensation; belongs to `Detector.fingerprint()`
      +-- CalorimeterFace      dataset, model: the face from which a network counts depths
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from partflow.core.errors import ConfigError
from partflow.core.tracker import Tracker, check_tracker
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM

ECAL, HCAL, MUON = 0, 1, 2
"""Subdetectors, as in the column `subdetector` of hits."""
BARREL, ENDCAP = 0, 1
"""Regions, as in the column `region` of hits."""
FACE_NONE, FACE_BARREL, FACE_ENDCAP = 0, 1, 2
"""Part of the calorimeter that a particle reaches, as in the column `face_region` of tracks."""


@dataclass(frozen=True)
class Slab:
    """A plate of one material in a layer of a sampling calorimeter."""

    material: str
    """Name in `simulate.geant4.materials.MIXTURES`, or of a NIST material such as `G4_Fe`."""
    thickness: float
    """Thickness [mm]."""
    is_active: bool = False
    """Whether energy deposited in it is measured."""


@dataclass(frozen=True)
class Calorimeter:
    """One sampling calorimeter: barrel, endcap, layer groups, medium, digitisation."""

    inner_radius: float
    """Inner radius of the barrel [mm]."""
    depth: float
    """Thickness of barrel and endcap [mm]."""
    endcap_z: float
    """abs(z) at which the endcap begins [mm]."""
    endcap_outer_radius: float
    """Outer radius of the endcap [mm]."""
    num_groups: int
    """Layer groups along the depth."""
    layers_per_group: int
    """Layers read out as one group."""
    cell_size: float
    """Side of a cell [mm]."""
    radiation_length: float
    """Effective X0 [mm]."""
    moliere_radius: float
    """Effective Moliere radius [mm]."""
    critical_energy: float
    """Effective critical energy [GeV]."""
    interaction_length: float
    """Effective nuclear interaction length [mm]."""
    effective_z: float
    """Effective atomic number."""
    layer_radiation_lengths: float
    """Layer pitch over X0: the inverse of the sampling frequency F_S of hep-ex/0001020."""
    electron_response: float
    """e_hat = 1/(1 + 0.007 (Z_absorber - Z_active)) of hep-ex/0001020."""
    mip_energy: float
    """EM-scale energy of a minimum ionising particle in one layer [GeV]."""
    threshold: float
    """Energy below which a hit is dropped [GeV]."""
    sampling_term: float
    """Stochastic term of the energy resolution for EM showers [sqrt(GeV)]."""
    layer: tuple[Slab, ...] = ()
    """Slabs of one layer from its front, for Geant4; empty where they are not known."""
    sampling_fractions: tuple[float, float] | None = None
    """Shares of an EM shower's energy that the active slabs of barrel and endcap see, in Geant4:
    `partflow calibrate --engine geant4` measures them. EM-scale energy is the energy seen, divided
    by the share. They differ because the field is along the slabs of the barrel and across those of
    the endcap."""

    @property
    def group_thickness(self) -> float:
        """Thickness of a layer group [mm]."""
        return self.depth / self.num_groups

    @property
    def layer_pitch(self) -> float:
        """Thickness of one layer [mm]."""
        return self.group_thickness / self.layers_per_group


@dataclass(frozen=True)
class Yoke:
    """The muon system: layers in the return yoke with a digital readout. Defaults are CLIC's."""

    inner_radius: float = 4461.0
    """Radius of the first layer's inner side in the barrel [mm]."""
    outer_radius: float = 6450.0
    """Outer radius of barrel and endcap [mm]."""
    endcap_z: float = 4179.0
    """abs(z) at which the barrel ends and the endcap begins [mm]."""
    outer_z: float = 5700.0
    """abs(z) at which the endcap ends [mm]."""
    endcap_inner_radius: float = 490.0
    """Radius of the hole of the endcap around the beam [mm]."""
    num_layers: int = 6
    """Sensitive layers, evenly spaced; CLIC's first one, a tail catcher, is left out."""
    cell_size: float = 30.0
    """Side of a cell [mm]."""
    efficiency: float = 0.95
    """Probability that a layer detects a particle that crosses it."""
    muon_loss: float = 3.7
    """Energy that a muon loses in calorimeters and coil [GeV]."""
    muon_loss_per_layer: float = 0.38
    """Energy that a muon loses in the iron of one layer [GeV]."""
    radiation_lengths: float = 100.0
    """Thickness of calorimeters and coil, which scatter a muon, in X0."""
    min_muon_momentum: float = 4.0
    """Least momentum of a muon that crosses all layers, where the yoke is not simulated [GeV]."""
    hit_energy: float = 0.0245
    """EM-scale energy of every hit [GeV]: a digital readout measures none."""


@dataclass(frozen=True)
class ScaleFit:
    """A fitted hadronic energy scale as files hold it; the formula is in `core.hadron_scale`."""

    weights: tuple[tuple[float, ...], ...]
    """w0, w1, w2: three rows of one weight per bin of the hit energy."""
    log_energy: tuple[float, ...]
    """Natural logarithm of the energies [GeV] at which the correction is given."""
    correction: tuple[float, ...]
    """Factor at these energies."""
    fingerprint: str
    """Fingerprint of the detector that the scale was fitted for."""
    simulation: str
    """Fingerprint of the simulation that made the showers of the fit."""
    engine: str = "fast"
    """Engine of that simulation: fast or geant4."""


@dataclass(frozen=True)
class Detector:
    """All that simulation, reconstruction and labels need to know about a detector.

    Raises ConfigError, with the detector and the field in the message, where values contradict
    each other or are out of range.
    """

    name: str
    magnetic_field: float
    """Solenoid field along +z [T], uniform in tracker and calorimeters."""
    ecal: Calorimeter
    hcal: Calorimeter
    endcap_inner_radius: float
    """Particles that cross the endcap face at a smaller radius are lost [mm]."""
    endcap_material_inner_radius: float
    """Inner radius of the calorimeter endcap material [mm]."""
    ring_z: float
    """abs(z) at which the HCAL ring outside the ECAL endcap begins [mm]."""
    max_path: float = 20000.0
    """Curling particles with a longer path to the calorimeter are dropped [mm]."""
    tracker: Tracker = field(default_factory=Tracker)
    yoke: Yoke = field(default_factory=Yoke)
    hadron_scale: str | ScaleFit | None = None
    """Hadronic energy scale: a fit, or the name of a known detector whose fit is used (`clic`, or
    `clic-geant4` for its events of Geant4). None for the known detectors, whose fits come with the
    package."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("name = ''; give the detector a name")
        if not 0 < self.magnetic_field < math.inf:
            raise ConfigError(f"{self.name}: field {self.magnetic_field} T; it must be positive")
        self._check_calorimeters()
        self._check_openings()
        check_tracker(self.tracker, self.name, self.ecal.inner_radius, self.ecal.endcap_z)
        self._check_yoke()

    def _check_calorimeters(self) -> None:
        """Refuse layers and cells that cannot be, and calorimeters that overlap."""
        for name, part in (("ecal", self.ecal), ("hcal", self.hcal)):
            values = asdict(part)
            del values["layer"], values["sampling_fractions"]
            for key, value in values.items():
                if not 0 < value < math.inf:
                    raise ConfigError(f"{self.name}: {name}.{key} = {value}; it must be positive")
            self._check_layer(name, part)
            for key in ("num_groups", "layers_per_group"):
                if getattr(part, key) != int(getattr(part, key)):
                    raise ConfigError(
                        f"{self.name}: {name}.{key} = {getattr(part, key)}; it must be whole"
                    )
            if part.inner_radius + part.depth > part.endcap_outer_radius + 1.0:
                raise ConfigError(
                    f"{self.name}: {name} barrel ends at r = {part.inner_radius + part.depth} mm, "
                    f"beyond its endcap ({part.endcap_outer_radius} mm)"
                )
        if self.hcal.inner_radius < self.ecal.inner_radius + self.ecal.depth:
            raise ConfigError(f"{self.name}: the HCAL barrel begins inside the ECAL barrel")
        if self.hcal.endcap_z < self.ecal.endcap_z + self.ecal.depth:
            raise ConfigError(f"{self.name}: the HCAL endcap begins inside the ECAL endcap")
        endcap_gap = self.hcal.endcap_z - self.ecal.endcap_z - self.ecal.depth
        if abs(endcap_gap - self.gap) > 0.01:
            raise ConfigError(
                f"{self.name}: {endcap_gap:g} mm between ECAL and HCAL endcap, but {self.gap:g} mm "
                "in the barrel; the calorimeter is a nested box with one gap: move the HCAL endcap "
                f"to hcal.endcap_z = {self.ecal.endcap_z + self.ecal.depth + self.gap:g}"
            )

    def _check_layer(self, name: str, part: Calorimeter) -> None:
        """Refuse slabs without thickness, and a layer without exactly one active slab."""
        if not part.layer:
            return
        for number, slab in enumerate(part.layer):
            if not 0 < slab.thickness < math.inf:
                raise ConfigError(
                    f"{self.name}: {name}.layer[{number}].thickness = {slab.thickness}; "
                    "it must be positive"
                )
        if sum(slab.is_active for slab in part.layer) != 1:
            raise ConfigError(f"{self.name}: {name}.layer needs exactly one slab with is_active")
        if part.sampling_fractions and not all(0 < f < 1 for f in part.sampling_fractions):
            raise ConfigError(
                f"{self.name}: {name}.sampling_fractions = {part.sampling_fractions}; "
                "both must be between 0 and 1"
            )

    def _check_openings(self) -> None:
        """Refuse holes of the endcap wider than the barrel, and a ring in front of the endcap."""
        for key in ("endcap_inner_radius", "endcap_material_inner_radius", "ring_z", "max_path"):
            value = getattr(self, key)
            if not 0 < value < math.inf:
                raise ConfigError(f"{self.name}: {key} = {value}; it must be positive")
        for key in ("endcap_inner_radius", "endcap_material_inner_radius"):
            if getattr(self, key) >= self.ecal.inner_radius:
                raise ConfigError(
                    f"{self.name}: {key} = {getattr(self, key)}; the hole of the endcap must be "
                    f"smaller than the barrel ({self.ecal.inner_radius} mm)"
                )
        if self.ring_z < self.ecal.endcap_z:
            raise ConfigError(
                f"{self.name}: ring_z = {self.ring_z}; the ring cannot begin in front of the "
                f"ECAL endcap ({self.ecal.endcap_z} mm)"
            )

    def _check_yoke(self) -> None:
        """Refuse a yoke that begins inside the calorimeter or ends before it begins."""
        yoke = self.yoke
        for key, value in asdict(yoke).items():
            if not 0 < value < math.inf:
                raise ConfigError(f"{self.name}: yoke.{key} = {value}; it must be positive")
        if yoke.efficiency > 1:
            raise ConfigError(f"{self.name}: yoke.efficiency = {yoke.efficiency}; at most 1")
        behind = self.ecal.depth + self.gap + self.hcal.depth
        for key, first, last, inside in (
            ("radius", yoke.inner_radius, yoke.outer_radius, self.ecal.inner_radius + behind),
            ("z", yoke.endcap_z, yoke.outer_z, self.ecal.endcap_z + behind),
        ):
            if not inside <= first < last:
                raise ConfigError(
                    f"{self.name}: the yoke is from {key} = {first} to {last} mm; it must be "
                    f"behind the calorimeter, which ends at {inside:g} mm"
                )

    @property
    def gap(self) -> float:
        """Distance between ECAL and HCAL barrel [mm], without material."""
        return self.hcal.inner_radius - self.ecal.inner_radius - self.ecal.depth

    def geometry(self) -> Geometry:
        """The same constants as plain numbers, for compiled kernels."""
        return Geometry(
            bending=LIGHT_SPEED_GEV_PER_T_MM * self.magnetic_field,
            barrel_r=self.ecal.inner_radius,
            endcap_z=self.ecal.endcap_z,
            ecal_depth=self.ecal.depth,
            gap=self.gap,
            hcal_depth=self.hcal.depth,
            ecal_group=self.ecal.group_thickness,
            hcal_group=self.hcal.group_thickness,
            ecal_groups=self.ecal.num_groups,
            hcal_groups=self.hcal.num_groups,
            ecal_cell=self.ecal.cell_size,
            hcal_cell=self.hcal.cell_size,
            endcap_inner_r=self.endcap_inner_radius,
            endcap_material_r=self.endcap_material_inner_radius,
            ecal_endcap_r=self.ecal.endcap_outer_radius,
            hcal_endcap_r=self.hcal.endcap_outer_radius,
            ring_z=self.ring_z,
            max_path=self.max_path,
        )

    def fingerprint(self, engine: str = "fast") -> str:
        """Hash of name, field and calorimeters: the constants that a calibration depends on.

        For showers of the `fast` engine without the slabs and sampling fractions, for those of
        `geant4` without the effective media.
        """
        constants = asdict(self)
        del constants["tracker"], constants["yoke"], constants["hadron_scale"]
        for part in ("ecal", "hcal"):
            for name in _FAST_ONLY if engine == "geant4" else _GEANT4_ONLY:
                del constants[part][name]
        return json_fingerprint(constants)


_GEANT4_ONLY = ("layer", "sampling_fractions")
_FAST_ONLY = (
    "radiation_length", "moliere_radius", "critical_energy", "interaction_length", "effective_z",
    "layer_radiation_lengths", "electron_response", "sampling_term",
)  # fmt: skip


def json_fingerprint(values: Any) -> str:
    """Hash of JSON-like values, whatever the order of their keys."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


class Geometry(NamedTuple):
    """Field and calorimeters of a `Detector` as plain numbers, for kernels. Lengths in mm."""

    bending: float
    """LIGHT_SPEED_GEV_PER_T_MM * field [GeV/mm]: radius = pt / (bending * abs(charge))."""
    barrel_r: float
    """Inner radius of the ECAL barrel."""
    endcap_z: float
    """abs(z) at which the ECAL endcap begins."""
    ecal_depth: float
    gap: float
    """Distance between ECAL and HCAL, without material."""
    hcal_depth: float
    ecal_group: float
    """Thickness of a layer group, as the next one."""
    hcal_group: float
    ecal_groups: int
    """Number of layer groups, as the next one."""
    hcal_groups: int
    ecal_cell: float
    """Side of a cell, as the next one."""
    hcal_cell: float
    endcap_inner_r: float
    """Particles that cross the endcap face at a smaller radius are lost."""
    endcap_material_r: float
    """Inner radius of the material of the endcaps."""
    ecal_endcap_r: float
    """Outer radius of the endcap, as the next one."""
    hcal_endcap_r: float
    ring_z: float
    """abs(z) at which the HCAL ring outside the ECAL endcap begins."""
    max_path: float
    """Curling particles with a longer path to the calorimeter are dropped."""
