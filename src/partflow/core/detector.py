"""Detectors as data: geometry, field, cells, media, resolutions. CLIC is the default.

Lengths in mm, energies in GeV, field in T. The calorimeter is a nested box: a barrel for
abs(z) < `ecal.endcap_z`, planes beyond it; layers are grouped. `Geometry` is the same as
plain numbers, for compiled kernels.

Sources: geometry from k4geo CLIC_o3_v14; digitisation from CLICPerformance
clicReconstruction.xml; tracking resolutions from the fits to full simulation in
delphes_card_CLICdet_Stage1.tcl (arXiv:1909.12728, 1812.07337); shower media from the
layer structure. Grouping of four layers and 2x2 ECAL cells are choices of ours, made for
a few thousand hits per event.

Longer than a file should be: half of it is the constants of two detectors with their sources.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from partflow.core.errors import ConfigError
from partflow.core.tracker import Tracker, check_tracker
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM

ECAL, HCAL, MUON = 0, 1, 2
BARREL, ENDCAP = 0, 1
FACE_NONE, FACE_BARREL, FACE_ENDCAP = 0, 1, 2


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
    """The muon system: layers in the return yoke, read out yes or no."""

    inner_radius: float = 4461.0
    """Radius of the first layer's inner side in the barrel [mm]."""
    outer_radius: float = 6450.0
    """Outer radius of barrel and endcap [mm]."""
    endcap_z: float = 4179.0
    """abs(z) at which the barrel ends and the endcap begins [mm]."""
    outer_z: float = 5700.0
    """abs(z) at which the endcap ends [mm]."""
    endcap_inner_radius: float = 490.0
    """Hole of the endcap about the beam [mm]."""
    num_layers: int = 6
    """Sensitive layers, evenly spaced; the one more in front, a tail catcher, is left out."""
    cell_size: float = 30.0
    """Side of a cell [mm]."""
    efficiency: float = 0.95
    """Probability that a layer sees a particle that crosses it."""
    muon_loss: float = 3.7
    """Energy that a muon loses in calorimeters and coil, before it comes here [GeV]."""
    muon_loss_per_layer: float = 0.38
    """The same in the iron of one layer [GeV]."""
    radiation_lengths: float = 100.0
    """Of calorimeters and coil, which scatter a muon."""
    min_muon_momentum: float = 4.0
    """Momentum from which on a muon crosses all layers, where the yoke is not simulated [GeV]."""
    hit_energy: float = 0.0245
    """EM-scale energy written for a hit [GeV]; a digital readout measures none."""


@dataclass(frozen=True)
class ScaleFit:
    """A fitted hadronic energy scale, see `core.hadron_scale`."""

    weights: tuple[tuple[float, ...], ...]
    """Three rows, for powers of the logarithm of the energy; a column per bin of hit energy."""
    log_energy: tuple[float, ...]
    """Natural logarithm of the energies at which the correction is given [GeV]."""
    correction: tuple[float, ...]
    """Factor at these energies."""
    fingerprint: str
    """Of the detector it was fitted for."""
    simulation: str
    """Of the simulation that made the showers of the fit."""


@dataclass(frozen=True)
class Detector:
    """A detector: what the simulation, the reconstruction and the labels need to know of it."""

    name: str
    magnetic_field: float
    """Solenoid field along +z [T], uniform in tracker and calorimeters."""
    ecal: Calorimeter
    hcal: Calorimeter
    endcap_inner_radius: float
    """Particles that reach the endcap face below this radius are lost [mm]."""
    endcap_material_inner_radius: float
    """Inner radius of the calorimeter endcap material [mm]."""
    ring_z: float
    """abs(z) at which the HCAL ring outside the ECAL endcap begins [mm]."""
    max_path: float = 20000.0
    """A looper with a longer path to the calorimeter is dropped [mm]."""
    tracker: Tracker = field(default_factory=Tracker)
    yoke: Yoke = field(default_factory=Yoke)
    hadron_scale: str | ScaleFit | None = None
    """Hadronic energy scale: a fit, or the name of the known detector whose fit is borrowed; the
    known detectors' own come with the package."""

    def __post_init__(self) -> None:
        if not 0 < self.magnetic_field < math.inf:
            raise ConfigError(f"{self.name}: field {self.magnetic_field} T; it must be positive")
        for name, part in (("ecal", self.ecal), ("hcal", self.hcal)):
            for key, value in asdict(part).items():
                if not 0 < value < math.inf:
                    raise ConfigError(f"{self.name}: {name}.{key} = {value}; it must be positive")
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
        self._check_openings()
        check_tracker(self.tracker, self.name, self.ecal.inner_radius, self.ecal.endcap_z)
        self._check_yoke()

    def _check_openings(self) -> None:
        """Refuse holes about the beam that are no holes, and a ring in front of the endcap."""
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
        """Refuse a yoke inside the calorimeter, or turned inside out."""
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
        """The numbers that compiled kernels need, as a flat named tuple."""
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

    def fingerprint(self) -> str:
        """Hash of the constants of calorimeters and field: a calibration, which is made of showers
        alone, belongs to one fingerprint.
        """
        constants = asdict(self)
        del constants["tracker"], constants["yoke"], constants["hadron_scale"]
        return hashlib.blake2b(
            json.dumps(constants, sort_keys=True).encode(), digest_size=8
        ).hexdigest()


class Geometry(NamedTuple):
    """`Detector` as plain numbers; numba passes it by field name. Lengths in mm."""

    bending: float
    """LIGHT_SPEED_GEV_PER_T_MM * field [GeV/mm]: radius = pt / (bending * abs(charge))."""
    barrel_r: float
    endcap_z: float
    ecal_depth: float
    gap: float
    hcal_depth: float
    ecal_group: float
    hcal_group: float
    ecal_groups: int
    hcal_groups: int
    ecal_cell: float
    hcal_cell: float
    endcap_inner_r: float
    endcap_material_r: float
    ecal_endcap_r: float
    hcal_endcap_r: float
    ring_z: float
    max_path: float


CLIC = Detector(
    name="clic",
    magnetic_field=4.0,
    ecal=Calorimeter(
        inner_radius=1500.0,
        depth=202.0,
        endcap_z=2307.0,
        endcap_outer_radius=1702.0,
        num_groups=10,
        layers_per_group=4,
        cell_size=10.2,
        radiation_length=202.0 / 22.0,
        moliere_radius=20.0,
        critical_energy=0.0090,
        interaction_length=202.0,
        effective_z=65.0,
        layer_radiation_lengths=5.05 / (202.0 / 22.0),
        electron_response=0.704,
        mip_energy=0.0055,
        threshold=0.5 * 0.0055,
        sampling_term=0.160,
    ),
    hcal=Calorimeter(
        inner_radius=1740.0,
        depth=1590.0,
        endcap_z=2547.0,  # 2539 in k4geo: 8 mm farther out, for the barrel's gap of 38 mm
        endcap_outer_radius=3330.0,
        num_groups=15,
        layers_per_group=4,
        cell_size=30.0,
        radiation_length=24.5,
        moliere_radius=27.0,
        critical_energy=0.0217,
        interaction_length=1590.0 / 7.5,
        effective_z=24.0,
        layer_radiation_lengths=26.5 / 24.5,
        electron_response=0.877,
        mip_energy=0.0245,
        threshold=0.3 * 0.0245,
        sampling_term=0.25,
    ),
    endcap_inner_radius=260.0,
    endcap_material_inner_radius=250.0,
    ring_z=2335.0,
)
"""CLICdet, simplified. Envelopes and yoke: k4geo CLIC/compact/CLIC_o3_v14. Simpler here: the ECAL
endcap goes on to 1702 mm (1700), without its plug; the HCAL endcap goes out to 3330 mm (3246), as
far as the barrel; the ring begins a whole number of layer groups before the endcap, at 2335 mm
(2353.5); the barrel goes on to the endcap's face (it ends at 2210 mm)."""

CLD = Detector(
    name="cld",
    magnetic_field=2.0,
    ecal=replace(CLIC.ecal, inner_radius=2150.0, endcap_z=2307.0, endcap_outer_radius=2455.0),
    hcal=replace(
        CLIC.hcal,
        inner_radius=2400.0,
        depth=1166.0,
        endcap_z=2557.0,  # 2539 in k4geo: 18 mm farther out, for the barrel's gap of 48 mm
        endcap_outer_radius=3566.0,
        num_groups=11,
        interaction_length=1166.0 / 5.5,
    ),
    endcap_inner_radius=340.0,
    endcap_material_inner_radius=340.0,
    ring_z=2353.5,
    tracker=replace(
        CLIC.tracker,
        layer_radii=(13.0, 35.0, 57.0, 127.0, 400.0, 670.0, 1000.0, 1568.0, 2136.0),
        layer_half_lengths=(*(109.0,) * 3, *(481.6, 481.6, 692.3), *(1264.2,) * 3),
        disc_z=(
            *(160.0, 230.0, 300.0),
            *(524.0, 808.0, 1093.0, 1377.0, 1661.0, 1946.0, 2190.0),
            *(1310.0, 1617.0, 1883.0, 2190.0),
        ),
        disc_inner_radii=(
            *(24.0, 34.5, 45.0),
            *(79.5, 123.5, 165.0, 207.5, 249.5, 293.0, 330.0),
            *(718.0,) * 4,
        ),
        disc_outer_radii=(*(102.0,) * 3, *(640.0,) * 7, *(2080.0,) * 4),
        beam_pipe_radius=10.0,
        displaced_range=1290.0,
    ),
    yoke=Yoke(
        inner_radius=4479.0,
        outer_radius=6000.0,
        endcap_z=3755.0,
        outer_z=5300.0,
        endcap_inner_radius=400.0,
    ),
)
"""CLD, simplified: the calorimeters of CLIC with fewer HCAL layers (44), further out, in half
the field. Envelopes, yoke and tracker radii: k4geo FCCee/CLD/compact/CLD_o2_v07 (the concept:
arXiv:1911.12230). Resolution, efficiency and amount of material of the tracker are CLIC's, for
want of published ones; efficiency falls with the production radius over a longer way."""

DETECTORS = {d.name: d for d in (CLIC, CLD)}


def known_detector(name: str) -> Detector:
    """The detector of that name.

    Raises ConfigError for a name that is not in DETECTORS.
    """
    if name not in DETECTORS:
        raise ConfigError(f"detector {name!r} is unknown; choose one of {', '.join(DETECTORS)}")
    return DETECTORS[name]
