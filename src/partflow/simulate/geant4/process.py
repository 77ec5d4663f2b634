"""Geant4 in this process: one detector, one physics list, one particle after the other.

Geant4 can be set up once in a process, and an error in it ends the process: `pipeline` runs it in
worker processes. Import this module only after `data_sets.use`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import DataError
from partflow.core.records import Array
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.geant4.binding import g4
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.geometry import Volumes, build
from partflow.simulate.geant4.layers import Part
from partflow.simulate.geant4.physics import COMMANDS, physics_list
from partflow.simulate.geant4.shots import DEPOSIT, Shot

_NEUTRAL_HADRONS = (
    "neutron", "anti_neutron", "kaon0L", "kaon0S", "lambda", "anti_lambda", "xi0", "anti_xi0",
)  # fmt: skip


class GeantDetector(g4.G4VUserDetectorConstruction):
    """Volumes, field and sensitive slabs."""

    def __init__(self, detector: Detector, max_time: float, deposits: list[Any]) -> None:
        super().__init__()
        self.detector, self.max_time, self.deposits = detector, max_time, deposits
        self.volumes: Volumes | None = None
        self.sensors: list[Any] = []

    def Construct(self) -> Any:
        """Build the volumes; called by Geant4, as the next one."""
        self.volumes = build(self.detector, self.max_time)
        return self.volumes.world

    def make_field(self) -> None:
        """Fill the world with the solenoid's field."""
        strength = self.detector.magnetic_field * g4.tesla
        self.field = g4.G4UniformMagField(g4.G4ThreeVector(0.0, 0.0, strength))
        manager = g4.G4TransportationManager.GetTransportationManager().GetFieldManager()
        manager.SetDetectorField(self.field)
        manager.CreateChordFinder(self.field)

    def ConstructSDandField(self) -> None:
        """Make the field, and scorers for the active slabs."""
        assert self.volumes is not None
        self.make_field()
        self.filters = (g4.G4SDChargedFilter("charged"), _neutral_hadrons())
        by_part = {}
        for part in Part:
            by_part[part] = g4.G4MultiFunctionalDetector(part.name.lower())
            for is_neutral, passing in enumerate(self.filters):
                name = f"{part.name.lower()}_{passing.GetName()}"
                scorer = Scorer(name, part, bool(is_neutral), passing, self.deposits)
                by_part[part].RegisterPrimitive(scorer)
                self.sensors.append(scorer)
            g4.G4SDManager.GetSDMpointer().AddNewDetector(by_part[part])
        for volume, part in self.volumes.sensitive:
            volume.SetSensitiveDetector(by_part[part])
        self.sensors += by_part.values()


def _neutral_hadrons() -> Any:
    """A filter that passes the neutral hadrons that live long enough to deposit energy."""
    passing = g4.G4SDParticleFilter("neutral")
    for name in _NEUTRAL_HADRONS:
        passing.add(name)
    return passing


class Scorer(g4.G4VPrimitiveScorer):
    """Records the energy deposited by each step of the particles that a filter passes.

    The filter is compiled: Python is not called for the many steps of photons, which deposit
    nothing. What is left to Python is kept short.
    """

    def __init__(
        self, name: str, part: Part, is_neutral: bool, filter: Any, deposits: list[Any]
    ) -> None:
        super().__init__(name)
        self.part, self.is_neutral = int(part), is_neutral
        self.append = deposits.append
        self.SetFilter(filter)

    def ProcessHits(self, step: Any, history: Any) -> bool:
        """Record one step; called by Geant4."""
        energy = step.GetTotalEnergyDeposit()
        if energy > 0.0:
            start = step.GetPreStepPoint()
            position = start.GetPosition()
            self.append(
                (
                    self.part, self.is_neutral, start.GetTouchable().GetCopyNumber(0),
                    position.x, position.y, position.z, energy, step.GetStepLength(),
                    start.GetGlobalTime(),
                )
            )  # fmt: skip
        return True


class _Generator(g4.G4VUserPrimaryGeneratorAction):
    """Shoots the particles of a list, one in each event of Geant4."""

    def __init__(self, deposits: list[Any]) -> None:
        super().__init__()
        self.gun = g4.G4ParticleGun(1)
        self.shots: list[Shot] = []
        self.starts: list[int] = []
        self.deposits = deposits

    def GeneratePrimaries(self, event: Any) -> None:
        shot = self.shots[event.GetEventID()]
        self.starts.append(len(self.deposits))
        g4.HepRandom.setTheSeed(shot.seed)
        particle = _particle(shot.pdg_id)
        momentum = np.array(shot.momentum)
        mass = particle.GetPDGMass() / g4.GeV
        energy = float(np.sqrt(momentum @ momentum + mass * mass)) - mass
        self.gun.SetParticleDefinition(particle)
        self.gun.SetParticleEnergy(energy * g4.GeV)
        self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(*shot.momentum).unit())
        self.gun.SetParticlePosition(g4.G4ThreeVector(*shot.position))
        self.gun.SetParticleTime(shot.time * g4.ns)
        self.gun.GeneratePrimaryVertex(event)


class _Actions(g4.G4VUserActionInitialization):
    """The generator is the only user action. Geant4 wants it made after the physics list."""

    def __init__(self, deposits: list[Any]) -> None:
        super().__init__()
        self.deposits = deposits
        self.generator: _Generator | None = None

    def Build(self) -> None:
        self.generator = _Generator(self.deposits)
        self.SetUserAction(self.generator)


def _particle(pdg_id: int) -> Any:
    """The G4ParticleDefinition of a PDG id; raises DataError if Geant4 does not know it."""
    particle = g4.G4ParticleTable.GetParticleTable().FindParticle(pdg_id)
    if particle is None:
        raise DataError(f"Geant4 knows no particle with PDG id {pdg_id}")
    return particle


def max_time(detector: Detector, config: Geant4Config) -> float:
    """Time [ns] after which no deposit is in the window, wherever it is in the calorimeters."""
    hcal = detector.hcal
    longest = np.hypot(hcal.endcap_outer_radius, hcal.endcap_z + hcal.depth)
    return float(config.window_end + longest / LIGHT_SPEED_MM_PER_NS)


class Geant4Process:
    """Geant4, set up for a detector and a configuration."""

    def __init__(self, detector: Detector, config: Geant4Config) -> None:
        self.deposits: list[Any] = []
        self.manager = g4.G4RunManager()
        self.construction = GeantDetector(detector, max_time(detector, config), self.deposits)
        self.physics = physics_list(config)
        self.actions = _Actions(self.deposits)
        for part in (self.construction, self.physics, self.actions):
            self.manager.SetUserInitialization(part)
        interface = g4.G4UImanager.GetUIpointer()
        for command in COMMANDS:
            interface.ApplyCommand(command)
        self.manager.Initialize()
        interface.ApplyCommand(f"/run/setCut {config.range_cut} mm")

    def shoot(self, shots: list[Shot]) -> Array:
        """Rows of DEPOSIT that particles leave, in the order of the particles and of their steps.

        Raises DataError for a particle that Geant4 does not know.
        """
        for shot in shots:
            _particle(shot.pdg_id)  # an error inside of Geant4's loop would end the process
        generator, deposits = self.actions.generator, self.deposits
        assert generator is not None
        generator.shots = shots
        generator.starts.clear()
        deposits.clear()
        if shots:
            self.manager.BeamOn(len(shots))
        rows = np.empty(len(deposits), dtype=DEPOSIT)
        names = [name for name in DEPOSIT.fields or () if name != "particle"]
        columns = np.array(deposits, dtype=np.float64).reshape(-1, len(names))
        for name, values in zip(names, columns.T, strict=True):
            rows[name] = values
        counts = np.diff([*generator.starts, len(deposits)])
        rows["particle"] = np.repeat(np.arange(len(shots)), counts)
        deposits.clear()
        return rows
