"""Builds detectors as volumes of Geant4 and prints facts about them as JSON."""

import json
import sys
from dataclasses import replace

from partflow.core.detector import Slab
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLD, CLIC
from partflow.simulate.geant4.data_sets import use_none
from partflow.simulate.geant4.description import calorimeter_depth, export_gdml

use_none()
import geant4_pybind as g4  # noqa: E402 (after use_none())

from partflow.simulate.geant4.geometry import build  # noqa: E402
from partflow.simulate.geant4.materials import find_material  # noqa: E402

OWN = replace(
    CLIC,
    name="own",
    hadron_scale="clic",
    ecal=replace(
        CLIC.ecal, layer=(Slab("G4_W", 3.0), Slab("G4_Si", 0.3, is_active=True), Slab("Air", 1.75))
    ),
)
POINTS = 200


def has_overlap(volumes):
    return any(volume.CheckOverlaps(POINTS, 1e-3, False) for volume in volumes.placements)


volumes = {detector.name: build(detector, 100.0) for detector in (CLIC, CLD, OWN)}
# a second world in which the HCAL endcap begins inside of the ECAL endcap
broken = replace(CLIC, name="broken")
object.__setattr__(broken, "hcal", replace(CLIC.hcal, endcap_z=CLIC.ecal.endcap_z + 100.0))
try:
    find_material("Unobtainium")
    unknown = "no error"
except ConfigError as error:
    unknown = str(error)
export_gdml(CLIC, __import__("pathlib").Path(sys.argv[1]))
result = {
    "overlaps": {name: has_overlap(made) for name, made in volumes.items()},
    "broken_overlaps": has_overlap(build(broken, 100.0)),
    "num_sensitive": {
        name: [sum(s.part == part for s in made.sensitive) for part in range(5)]
        for name, made in volumes.items()
    },
    "depth": {
        detector.name: [calorimeter_depth(detector.ecal), calorimeter_depth(detector.hcal)]
        for detector in (CLIC, CLD)
    },
    "iron": [
        g4.G4NistManager.Instance().FindOrBuildMaterial("G4_Fe").GetRadlen(),
        find_material("Steel235").GetRadlen(),
    ],
    "unknown": unknown,
}
print("RESULT", json.dumps(result), flush=True)
