"""The detectors that come with the package: CLIC (the default) and CLD.

Sources: geometry from k4geo (below, detector by detector); digitisation from CLICPerformance
clicReconstruction.xml; tracking resolutions from the fits to full simulation in
delphes_card_CLICdet_Stage1.tcl (arXiv:1909.12728, 1812.07337); shower media from the layer
structure. Groups of four layers and ECAL cells of 2x2 are choices of ours, made for a few
thousand hits per event. Tracker and yoke of CLIC are the defaults of their classes.

Sampling fractions: `partflow calibrate clic --engine geant4 --stand-in-data`. They depend on the
field, because soft electrons curl in gaps and active slabs where the field is along these, in the
barrel. CLICdet's reconstruction has 1/35.84 for the ECAL; for the HCAL its constants for hadrons
differ by 9 % between barrel and endcap (49.2 and 53.6).
"""

from __future__ import annotations

from dataclasses import replace

from partflow.core.detector import Calorimeter, Detector, Slab, Yoke
from partflow.core.errors import ConfigError

_ECAL_LAYER = (
    Slab("TungstenDens24", 1.90),
    Slab("G10", 0.15),
    Slab("GroundOrHVMix", 0.10),
    Slab("Silicon", 0.50, is_active=True),
    Slab("Air", 0.10),
    Slab("siPCBMix", 1.30),
    Slab("Air", 0.25),
    Slab("G10", 0.75),
)
"""k4geo: CLIC_o3_v14/ECalBarrel_o2_v01_02.xml, and the same in CLD_o2_v07."""
_HCAL_LAYER = (
    Slab("Steel235", 19.5),
    Slab("Polystyrene", 3.0, is_active=True),
    Slab("Copper", 0.1),
    Slab("PCB", 0.7),
    Slab("Steel235", 0.5),
    Slab("Air", 2.7),
)
"""k4geo: CLIC_o3_v14/HCalBarrel_o1_v01_01.xml, and the same in CLD_o2_v07."""

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
        interaction_length=202.0 / 1.054,
        effective_z=65.0,
        layer_radiation_lengths=5.05 / (202.0 / 22.0),
        electron_response=0.704,
        mip_energy=0.0055,
        threshold=0.5 * 0.0055,
        sampling_term=0.160,
        layer=_ECAL_LAYER,
        sampling_fractions=(1 / 34.60, 1 / 37.24),
    ),
    hcal=Calorimeter(
        inner_radius=1740.0,
        depth=1590.0,
        endcap_z=2547.0,  # 2539 in k4geo: 8 mm farther out, for the barrel's gap of 38 mm
        endcap_outer_radius=3330.0,
        num_groups=15,
        layers_per_group=4,
        cell_size=30.0,
        radiation_length=1590.0 / 69.0,
        moliere_radius=27.0,
        critical_energy=0.0217,
        interaction_length=1590.0 / 7.5,
        effective_z=24.0,
        layer_radiation_lengths=26.5 / (1590.0 / 69.0),
        electron_response=0.877,
        mip_energy=0.0245,
        threshold=0.3 * 0.0245,
        sampling_term=0.25,
        layer=_HCAL_LAYER,
        sampling_fractions=(1 / 36.14, 1 / 44.59),
    ),
    endcap_inner_radius=260.0,
    endcap_material_inner_radius=250.0,
    ring_z=2335.0,
)
"""CLICdet, simplified. Envelopes and yoke: k4geo CLIC/compact/CLIC_o3_v14. Simplifications, with
the value of k4geo in brackets: the ECAL endcap ends at r = 1702 mm (1700) and has no plug; the HCAL
endcap ends at r = 3330 mm (3246), like the barrel; the ring begins at abs(z) = 2335 mm (2353.5), a
whole number of layer groups before the endcap; the barrel ends at the endcap's face (2210 mm)."""

CLD = Detector(
    name="cld",
    magnetic_field=2.0,
    ecal=replace(
        CLIC.ecal,
        inner_radius=2150.0,
        endcap_z=2307.0,
        endcap_outer_radius=2455.0,
        sampling_fractions=(1 / 36.47, 1 / 37.05),
    ),
    hcal=replace(
        CLIC.hcal,
        inner_radius=2400.0,
        depth=1166.0,
        endcap_z=2557.0,  # 2539 in k4geo: 18 mm farther out, for the barrel's gap of 48 mm
        endcap_outer_radius=3566.0,
        num_groups=11,
        interaction_length=1166.0 / 5.5,
        sampling_fractions=(1 / 40.64, 1 / 45.12),
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
"""CLD, simplified: the calorimeters of CLIC at larger radii with 44 HCAL layers, half the field.
Envelopes, yoke and tracker radii: k4geo FCCee/CLD/compact/CLD_o2_v07 (concept: arXiv:1911.12230).
Resolution, efficiency and amount of material of the tracker are CLIC's, because none are published;
the efficiency for displaced tracks falls over a longer distance."""

DETECTORS = {d.name: d for d in (CLIC, CLD)}
"""The known detectors by name."""

GEANT4_SUFFIX = "-geant4"
"""Ends the name of a known detector's hadronic scale for events of Geant4."""
SCALE_NAMES = tuple(name + suffix for suffix in ("", GEANT4_SUFFIX) for name in DETECTORS)
"""Hadronic scales that come with the package; a detector may borrow one by its name."""


def known_detector(name: str) -> Detector:
    """The detector called `name`; raises ConfigError for a name that is not in DETECTORS."""
    if name not in DETECTORS:
        raise ConfigError(f"detector {name!r} is unknown; choose one of {', '.join(DETECTORS)}")
    return DETECTORS[name]
