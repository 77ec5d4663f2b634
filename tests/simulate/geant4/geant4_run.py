"""Shoots particles into a block of iron with the stand-in data, and prints what happened as JSON.

A script: Geant4 can be started once in a process.
"""

import json
import sys

from partflow.simulate.geant4.data_sets import find_data_sets, require_geant4, use

require_geant4()
use(find_data_sets(stand_in=True))
import geant4_pybind as g4  # noqa: E402 (after use())

EM_PHYSICS = sys.argv[1]
CONSTRUCTORS = (
    EM_PHYSICS,
    "G4EmExtraPhysics",
    "G4DecayPhysics",
    "G4HadronElasticPhysics",
    "G4HadronPhysicsFTFP_BERT",
    "G4StoppingPhysics",
    "G4IonPhysics",
    "G4NeutronTrackingCut",
)
PHOTON, PION, NEUTRON = 22, -211, 2112
primaries = []  # PDG number and energy [MeV] of the coming events
deposits = []  # of the events so far [MeV]
interactions = []  # path of each neutron to its inelastic interaction [mm]


class Block(g4.G4VUserDetectorConstruction):
    """A cube of iron with a piece of tungsten in a corner."""

    def Construct(self):
        materials = g4.G4NistManager.Instance()
        self.parts = []
        mother = None
        for material, half, shift in (("G4_Fe", 2000.0, 0.0), ("G4_W", 10.0, 1900.0)):
            box = g4.G4Box(material, half, half, half)
            volume = g4.G4LogicalVolume(box, materials.FindOrBuildMaterial(material), material)
            position = g4.G4ThreeVector(shift, shift, shift)
            placed = g4.G4PVPlacement(None, position, volume, material, mother, False, 0)
            self.parts += [box, volume, placed]
            mother = mother or volume
        return self.parts[2]


class Generator(g4.G4VUserPrimaryGeneratorAction):
    def __init__(self):
        super().__init__()
        self.gun = g4.G4ParticleGun(1)

    def GeneratePrimaries(self, event):
        pdg_id, energy = primaries[event.GetEventID()]
        particle = g4.G4ParticleTable.GetParticleTable().FindParticle(pdg_id)
        self.gun.SetParticleDefinition(particle)
        self.gun.SetParticleEnergy(energy)
        self.gun.SetParticlePosition(g4.G4ThreeVector(0, 0, 0))
        self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(0, 0, 1))
        self.gun.GeneratePrimaryVertex(event)
        deposits.append(0.0)


class Stepping(g4.G4UserSteppingAction):
    def UserSteppingAction(self, step):
        deposits[-1] += step.GetTotalEnergyDeposit()


class Stacking(g4.G4UserStackingAction):
    def ClassifyNewTrack(self, track):
        is_secondary_of_neutron = (
            track.GetParentID() > 0 and primaries[len(deposits) - 1][0] == NEUTRON
        )
        return g4.fKill if is_secondary_of_neutron else g4.fUrgent


class Tracking(g4.G4UserTrackingAction):
    def PostUserTrackingAction(self, track):
        process = track.GetStep().GetPostStepPoint().GetProcessDefinedStep()
        if track.GetParentID() == 0 and process.GetProcessName() == "neutronInelastic":
            interactions.append(track.GetTrackLength())


class Actions(g4.G4VUserActionInitialization):
    def Build(self):
        for action in (Generator, Stepping, Stacking, Tracking):
            self.SetUserAction(action())


class Physics(g4.G4VModularPhysicsList):
    def __init__(self):
        super().__init__()
        self.SetVerboseLevel(0)
        for constructor in CONSTRUCTORS:
            self.RegisterPhysics(getattr(g4, constructor)())


def attenuation(material, density):
    """Attenuation of photons of 0.1 and 1 MeV [cm^2/g]."""
    calculator = g4.G4EmCalculator()
    per_mm = [
        sum(
            calculator.ComputeCrossSectionPerVolume(energy, "gamma", process, material)
            for process in ("phot", "compt", "Rayl", "conv")
        )
        for energy in (0.1, 1.0)
    ]
    return [10 * value / density for value in per_mm]


def radiation(material, density):
    """Radiated energy of an electron of 10 GeV: dE/dx / E [cm^2/g]."""
    loss = g4.G4EmCalculator().ComputeDEDX(1e4, "e-", "eBrem", material)
    return 10 * loss / density / 1e4


manager = g4.G4RunManager()
manager.SetUserInitialization(Block())
manager.SetUserInitialization(Physics())
manager.SetUserInitialization(Actions())
commands = g4.G4UImanager.GetUIpointer()
for command in ("/process/em/verbose 0", "/process/had/verbose 0"):
    commands.ApplyCommand(command)
manager.Initialize()
g4.G4Random.setTheSeed(1)
primaries += [(PHOTON, 1000.0)] * 5 + [(PION, 3000.0)] * 5 + [(NEUTRON, 2000.0)] * 400
manager.BeamOn(len(primaries))
result = {
    "photon_deposits": deposits[:5],
    "pion_deposits": deposits[5:10],
    "neutron_path": sum(interactions) / len(interactions),
    "attenuation": {"Fe": attenuation("G4_Fe", 7.874), "W": attenuation("G4_W", 19.3)},
    "radiation": {"Fe": radiation("G4_Fe", 7.874), "W": radiation("G4_W", 19.3)},
}
print("RESULT", json.dumps(result), flush=True)
