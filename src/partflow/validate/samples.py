"""Samples of a validation: guns and collisions, their sizes and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from partflow.core.errors import ConfigError
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON
from partflow.generate.config import MAX_SEED, GenerationConfig, Gun

FIRST_SEED = 10_000
"""Lower seeds are for calibration, tuning and tests, so that nothing is validated with the events
that it was tuned on."""
DEFAULT_SEED = 31_000
NEUTRON = 2112
"""PDG id."""

CENTRAL = (-0.7, 0.7)
"""Range of cos(theta) well inside the barrel."""
ENDCAP = (0.85, 0.95)
"""Range of cos(theta) inside an endcap."""


class Study(StrEnum):
    """Which stages a sample goes through, and whether the tracker has material."""

    SHOWERS = "showers"
    """Single particles to hits, without tracker material."""
    TRACKS = "tracks"
    """Single muons to tracks, without tracker material."""
    PARTICLES = "particles"
    """Single particles to candidates, with tracker material."""
    COLLISIONS = "collisions"
    """Physics events to candidates, with tracker material."""


@dataclass(frozen=True)
class SampleConfig:
    """One sample of a validation."""

    name: str
    study: Study
    generation: GenerationConfig

    @property
    def energy(self) -> float:
        """Energy of the gun's particle, or of the collision [GeV]."""
        is_gun = self.study != Study.COLLISIONS
        return self.generation.gun.energy[0] if is_gun else self.generation.energy


SHOWER_ENERGIES = {
    "photon": (PHOTON, (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)),
    "k0l": (NEUTRAL_HADRON, (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)),
    "pion": (CHARGED_HADRON, (2.0, 5.0, 10.0, 20.0, 50.0)),
    "muon": (MUON, (20.0,)),
}
TRACK_ENERGIES = (1.0, 5.0, 20.0, 100.0)
TRACK_ANGLES = {"central": (-0.17, 0.17), "forward": (0.90, 0.95)}
"""Ranges of cos(theta); central: inside the first row of the tracker's resolution table."""
PARTICLE_ENERGIES = {
    "photon": (PHOTON, (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)),
    "k0l": (NEUTRAL_HADRON, (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)),
    "pion": (CHARGED_HADRON, (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)),
    "neutron": (NEUTRON, (2.0, 5.0, 10.0)),
    "electron": (ELECTRON, (5.0, 20.0)),
    "muon": (MUON, (5.0, 20.0)),
}
ENDCAP_ENERGIES = {"photon": (PHOTON, (10.0, 50.0)), "k0l": (NEUTRAL_HADRON, (10.0, 50.0))}
COLLISIONS = {
    "uds-91": ("uds", 91.2),
    "uds-200": ("uds", 200.0),
    "uds-380": ("uds", 380.0),
    "ttbar": ("ttbar", 380.0),
    "qq": ("qq", 380.0),
    "ww": ("ww", 380.0),
}
"""Process and centre-of-mass energy [GeV] of each collision sample."""


@dataclass(frozen=True)
class SampleSizes:
    """Numbers of events of the samples of each kind."""

    shower: int
    track: int
    particle: int
    uds: int
    """Before the cut on the leading jet, which accepts about 60 %."""
    collision: int


FULL = SampleSizes(shower=2000, track=4000, particle=600, uds=2000, collision=1200)
REDUCED = SampleSizes(shower=60, track=200, particle=20, uds=60, collision=40)
"""For continuous integration: most lines are not decided, but gross errors are found."""


def samples(sizes: SampleSizes, seed: int) -> list[SampleConfig]:
    """All samples of a validation, with consecutive seeds from `seed`.

    Raises ConfigError if the seed is reserved for tuning.
    """
    configs = [
        SampleConfig(name, study, GenerationConfig(process, number, seed + i, energy, gun))
        for i, (name, study, process, number, energy, gun) in enumerate(_plan(sizes))
    ]
    if not FIRST_SEED <= seed < MAX_SEED - len(configs):
        last_seed = MAX_SEED - len(configs) - 1
        raise ConfigError(
            f"--seed {seed}: give one from {FIRST_SEED} to {last_seed}; lower seeds are reserved "
            "for tuning"
        )
    return configs


def _plan(sizes: SampleSizes) -> Iterator[tuple[str, Study, str, int, float, Gun]]:
    """Name, study, process, number of events, energy [GeV] and gun of each sample."""
    nominal = GenerationConfig().energy  # not used by guns
    for kind, (pdg_id, energies) in SHOWER_ENERGIES.items():
        for energy in energies:
            gun = Gun(pdg_id, (energy, energy), CENTRAL)
            yield shower_name(kind, energy), Study.SHOWERS, "gun", sizes.shower, nominal, gun
    for place, cos_theta in TRACK_ANGLES.items():
        for energy in TRACK_ENERGIES:
            gun = Gun(MUON, (energy, energy), cos_theta)
            yield track_name(place, energy), Study.TRACKS, "gun", sizes.track, nominal, gun
    for region, cos_theta, kinds in (
        ("barrel", CENTRAL, PARTICLE_ENERGIES),
        ("endcap", ENDCAP, ENDCAP_ENERGIES),
    ):
        for kind, (pdg_id, energies) in kinds.items():
            for energy in energies:
                gun = Gun(pdg_id, (energy, energy), cos_theta)
                name = particle_name(kind, energy, region)
                yield name, Study.PARTICLES, "gun", sizes.particle, nominal, gun
    for name, (process, energy) in COLLISIONS.items():
        number = sizes.uds if process == "uds" else sizes.collision
        yield name, Study.COLLISIONS, process, number, energy, Gun()


def shower_name(kind: str, energy: float) -> str:
    """Name of the sample of showers of `kind` with `energy` [GeV]."""
    return f"shower-{kind}-{energy:g}"


def track_name(place: str, energy: float) -> str:
    """Name of the sample of tracks at `place` with `energy` [GeV]."""
    return f"track-{place}-{energy:g}"


def particle_name(kind: str, energy: float, region: str = "barrel") -> str:
    """Name of the sample of particles of `kind` with `energy` [GeV] in the whole chain."""
    return f"particle-{kind}-{energy:g}" + ("" if region == "barrel" else f"-{region}")
