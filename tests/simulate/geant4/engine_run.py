"""Sets up the engine for CLIC with the stand-in data, shoots particles, prints facts as JSON.

A script: Geant4 can be set up once in a process.
"""

import json
import math

import numpy as np

from partflow.core.errors import DataError
from partflow.core.known_detectors import CLD, CLIC
from partflow.generate.config import GenerationConfig, Gun
from partflow.generate.generation import generate
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.simulation import simulate as fast_simulation
from partflow.simulate.geant4 import simulation
from partflow.simulate.geant4.calibration import measure_sampling_fractions
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.deposits import is_in_window, nested_box_positions
from partflow.simulate.geant4.layers import Part
from partflow.simulate.geant4.shots import Shot
from partflow.simulate.tracker.flights import flights_of

CONFIG = Geant4Config(stand_in_data=True)
EFFECTS = SimulationConfig(hit_times=True, decays_in_flight=True)


def shoot(pdg_id, momentum, cosine, phi=0.1, number=1):
    """Deposits of particles from the origin, all with the same momentum [GeV]."""
    sine = math.sqrt(1 - cosine**2)
    vector = (
        momentum * sine * math.cos(phi), momentum * sine * math.sin(phi), momentum * cosine
    )  # fmt: skip
    shots = [Shot(pdg_id, vector, (0.0, 0.0, 0.0), 0.0, 1 + row) for row in range(number)]
    return process.shoot(shots)


def as_lists(simulated):
    """All columns of all collections, to compare."""
    return [
        [part.offsets.tolist(), {name: part.columns[name].tolist() for name in part.columns}]
        for part in simulated
    ]


process = simulation.geant4_process(CLIC, CONFIG)
muons = {
    part: shoot(13, 20.0, cosine)
    for part, cosine in (("barrel", 0.1), ("endcap", 0.9), ("other", -0.9))
}
crossing = {}
for name, rows in muons.items():
    x, y, z = nested_box_positions(rows, CLIC)
    crossing[name] = {
        "parts": sorted({Part(part).name for part in rows["part"].tolist()}),
        "num_ecal_layers": len(set(rows["layer"][rows["part"] < Part.HCAL_BARREL].tolist())),
        "num_hcal_layers": len(set(rows["layer"][rows["part"] >= Part.HCAL_BARREL].tolist())),
        "r": [float(np.hypot(x, y).min()), float(np.hypot(x, y).max())],
        "z": [float(z.min()), float(z.max())],
        "azimuth_shift": float(np.abs(np.arctan2(y, x) - np.arctan2(rows["y"], rows["x"])).max()),
    }
# a layer's copy number says the same as the deposit's depth in its stave, whose face is at x = r
barrel = muons["barrel"][muons["barrel"]["part"] == Part.ECAL_BARREL]
by_place = np.floor((barrel["x"] - CLIC.ecal.inner_radius) / CLIC.ecal.layer_pitch)
ring = shoot(13, 50.0, math.cos(math.atan2(2100.0, 2440.0)))

generated = next(iter(generate(GenerationConfig("ttbar", 2, 3))))
particles = generated.particles
soft = np.minimum(1.0, 2.0 / particles.energy)  # the same event with soft particles: quick
columns = dict(particles.columns)
momentum = np.sqrt(columns["px"] ** 2 + columns["py"] ** 2 + columns["pz"] ** 2)
for axis in ("px", "py", "pz"):
    columns[axis] = (columns[axis] * soft).astype(columns[axis].dtype)
columns["energy"] = np.hypot(momentum * soft, columns["mass"]).astype(columns["energy"].dtype)
particles = type(particles)(particles.schema, particles.offsets, columns)
event_id = generated.event_id
together = simulation.simulate(particles, event_id, CLIC, EFFECTS, CONFIG)
again = simulation.simulate(particles, event_id, CLIC, EFFECTS, CONFIG)
alone = simulation.simulate(particles[1:], event_id[1:], CLIC, EFFECTS, CONFIG)
fast = fast_simulation(particles, event_id, CLIC, EFFECTS)
second = {name: together.hits[1:].columns[name].tolist() for name in together.hits.columns}

gun = next(iter(generate(GenerationConfig("gun", 6, 5, gun=Gun(22, (5.0, 5.0), (-0.5, 0.5))))))
photons = simulation.simulate(
    gun.particles, gun.event_id, CLIC, SimulationConfig(tracker_material=False), CONFIG
)
hits = photons.hits

flights = flights_of(gun.particles)[:1].copy()
flights["pdg_id"] = 9999999
engine = simulation.set_up(CLIC, SimulationConfig(tracker_material=False), CONFIG)
try:
    engine.simulate_event(1, flights)
    unknown = "no error"
except DataError as error:
    unknown = str(error)
try:
    simulation.geant4_process(CLD, CONFIG)
    second_detector = "no error"
except Exception as error:
    second_detector = f"{type(error).__name__}: {error}"

late = shoot(2112, 3.0, 0.1, number=30)
result = {
    "crossing": crossing,
    "layers_by_place_agree": bool((by_place == barrel["layer"]).all()),
    "ring_parts": sorted({Part(part).name for part in ring["part"].tolist()}),
    "same_again": as_lists(together) == as_lists(again),
    "same_alone": second == {n: v.tolist() for n, v in alone.hits.columns.items()},
    "num_hits": len(together.hits),
    "same_tracks": as_lists((together.tracks, together.track_particles))
    == as_lists((fast.tracks, fast.track_particles)),
    "contributions_sum_to_hits": float(
        np.abs(
            np.bincount(
                together.contributions.hit_index
                + np.repeat(together.hits.offsets[:-1], together.contributions.counts),
                together.contributions.energy_em,
                len(together.hits),
            )
            / together.hits.energy_em
            - 1
        ).max()
    ),
    "times": [float(together.hits.time.min()), float(together.hits.time.max())],
    "photon_response": float(hits.energy_em.sum() / gun.particles.energy.sum()),
    "photon_owner": sorted(set(photons.contributions.particle_index.tolist())),
    "unknown": unknown,
    "second_detector": second_detector,
    "share_late": float(1 - is_in_window(late, CONFIG).mean()),
    "latest": float(late["time"].max()),
    "sampling_fractions": measure_sampling_fractions(CLIC, CONFIG, 8),
}
print("RESULT", json.dumps(result), flush=True)
