"""Particles of Pythia8 events, chunk by chunk, without a loop over particles."""

from __future__ import annotations

from collections.abc import Iterator

import awkward as ak
import numpy as np
import pythia8mc

from partflow.core.errors import ConfigError
from partflow.core.particles import charges
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import PARTICLES
from partflow.generate.config import GenerationConfig
from partflow.generate.processes import PROCESSES

MAX_EMPTY_CHUNKS = 10
"""Number of successive chunks without an event after which the generation is given up."""


def pythia_particles(config: GenerationConfig, chunk_size: int) -> Iterator[Collection]:
    """Stable particles of `config.num_events` events, at most `chunk_size` events at a time.

    The sequence of events depends on the seed alone. Raises ConfigError where Pythia does not start
    or makes no event.
    """
    if config.num_events == 0:
        return
    generator = start_pythia(config)
    remaining, num_empty = config.num_events, 0
    while remaining > 0:
        # Pythia leaves out events that fail, so a chunk can be smaller.
        particles = _flatten(generator.nextBatch(min(chunk_size, remaining), "skip"))
        num_empty = num_empty + 1 if particles.num_events == 0 else 0
        if num_empty == MAX_EMPTY_CHUNKS:
            raise ConfigError(
                f"{config.process} at {config.energy} GeV: Pythia makes no event; "
                "try another --energy"
            )
        remaining -= particles.num_events
        yield particles


def start_pythia(config: GenerationConfig) -> pythia8mc.Pythia:
    """An initialised generator for the events of `config`; raises ConfigError where that fails."""
    process = PROCESSES[config.process]
    generator = pythia8mc.Pythia("", False)
    settings = [
        "Print:quiet = on",
        "Beams:idA = 11",
        "Beams:idB = -11",
        f"Beams:eCM = {config.energy!r}",
        f"PDF:lepton = {'on' if process.initial_state_radiation else 'off'}",
        "ParticleDecays:limitCylinder = on",
        f"ParticleDecays:xyMax = {config.decay_radius}",
        f"ParticleDecays:zMax = {config.decay_half_length}",
        "Random:setSeed = on",
        f"Random:seed = {config.seed + 1}",  # 0 would mean the clock
        *process.settings,
    ]
    if process.final_state_only:
        settings.append("PartonLevel:ISR = off")
    for setting in settings:
        if not generator.readString(setting):
            raise ConfigError(
                f"Pythia does not know the setting '{setting}'; install pythia8mc 8.317 or newer"
            )
    if not generator.init():
        raise ConfigError(
            f"Pythia does not start {config.process} at {config.energy} GeV; try another --energy"
        )
    return generator


def _flatten(batch: ak.Array) -> Collection:
    """The stable particles of a batch of Pythia as flat columns."""
    stable = batch.prt[batch.prt.status > 0]
    vertex = stable.vProd  # missing for a particle from the origin

    def flat(values: ak.Array) -> Array:
        return ak.to_numpy(ak.flatten(values))

    pdg_id = flat(stable.id)
    columns = {
        "pdg_id": pdg_id,
        "charge": charges(pdg_id),
        "px": flat(stable.p.px),
        "py": flat(stable.p.py),
        "pz": flat(stable.p.pz),
        "energy": flat(stable.p.e),
        "mass": np.maximum(flat(stable.m), 0.0),
        "vx": flat(ak.fill_none(vertex.px, 0.0)),
        "vy": flat(ak.fill_none(vertex.py, 0.0)),
        "vz": flat(ak.fill_none(vertex.pz, 0.0)),
    }
    counts = ak.to_numpy(ak.num(stable.id))
    return Collection(PARTICLES, offsets_from_counts(counts), columns)
