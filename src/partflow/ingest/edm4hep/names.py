"""Names and code numbers of EDM4hep and LCIO that reader and writer share."""

from __future__ import annotations

from partflow.core.detector import ECAL, HCAL, MUON, Detector

EVENT_TREE = "events"
HEADER = "EventHeader"
PARTFLOW_OBJECT = "partflow"
"""ROOT object in which our writer describes the file (JSON)."""

MC_COLLECTION, MC_ALIAS = "MCParticles", "MCParticle"
"""Monte Carlo particles. The alias is LCIO's name; links of converted files may use it."""
TRACK_COLLECTION, UNREFITTED_COLLECTION = "SiTracks_Refitted", "SiTracks"
CLUSTER_COLLECTION = "PandoraClusters"
PFO_COLLECTIONS = ("PandoraPFOs", "MergedRecoParticles")
"""Particle-flow objects, in order of preference. The second collection also holds those of the
luminosity calorimeter."""
HIT_COLLECTIONS = {
    "ECALBarrel": ECAL,
    "ECALEndcap": ECAL,
    "ECALOther": ECAL,
    "HCALBarrel": HCAL,
    "HCALEndcap": HCAL,
    "HCALOther": HCAL,
    "MUON": MUON,
}
"""Collections of digitised calorimeter hits, and the subdetector of each."""
HIT_LINK_COLLECTION, TRACK_LINK_COLLECTION = "CalohitMCTruthLink", "SiTracksMCTruthLink"

MOMENTUM = ("momentum.x", "momentum.y", "momentum.z")
VERTEX = ("vertex.x", "vertex.y", "vertex.z")
POSITION = ("position.x", "position.y", "position.z")
REFERENCE_POINT = ("referencePoint.x", "referencePoint.y", "referencePoint.z")
STATE_PARAMETERS = {
    "d0": "D0",
    "phi": "phi",
    "omega": "omega",
    "z0": "Z0",
    "tan_lambda": "tanLambda",
    "time": "time",
}
"""Parameters of a track state: our name, and the member of `edm4hep::TrackState`."""
AT_OTHER, AT_ORIGIN, AT_FIRST_HIT, AT_LAST_HIT, AT_CALORIMETER = range(5)
"""`edm4hep::TrackState::location`."""
CLUSTER_ENERGIES = ("energy_em_ecal", "energy_em_hcal", "energy_em_other")
"""Our columns of a cluster's energies, in the order of Pandora's `subdetectorEnergies`."""

LAYOUT_UNIT, LAYER_UNIT = 1000, 10_000
"""The type of a calorimeter hit is LCIO's `CHT` word:
type + 10 calorimeter + LAYOUT_UNIT layout + LAYER_UNIT layer."""
ANY_LAYOUT, BARREL_LAYOUT, ENDCAP_LAYOUT = 0, 1, 2


def layers_per_group(subdetector: int, detector: Detector) -> int:
    """Layers, as LCIO counts them, in one layer group of our hits."""
    calorimeters = {ECAL: detector.ecal, HCAL: detector.hcal}
    return calorimeters[subdetector].layers_per_group if subdetector in calorimeters else 1
