"""Fraction of converted photons by polar angle, and recognition of the tracks of secondaries.

    python -m benchmarks.secondaries [--detector clic] [--num-events 400] [--seed 2700]

The first table compares the simulated fraction of photons of 5 GeV that convert with that of a flat
slab, 1 - exp(-7/9 x/X0) with x = x(90 degrees)/sin(theta). The second compares the tracks that
`reconstruct.secondary_tracks` recognises in top pair events with the truth, by number and weighted
with momentum.
"""

from __future__ import annotations

import argparse

import numpy as np

from partflow.core.detector import Detector
from partflow.core.detector_file import find_detector
from partflow.core.records import Array, Collection, concatenate_events, offsets_from_counts
from partflow.generate import GenerationConfig, Gun, generate
from partflow.reconstruct.parameters import SecondaryConfig
from partflow.reconstruct.secondary_tracks import find_secondary_tracks
from partflow.simulate import simulate
from partflow.simulate.tracker.flights import NO_END, flights_of
from partflow.simulate.tracker.interactions import interact
from partflow.simulate.tracker.tracker_material import tracker_material

DEGREES = (90.0, 45.0, 30.0, 20.0, 15.0, 10.0)
NUM_PHOTONS = 50_000


def converted(detector: Detector, degrees: float, seed: int) -> tuple[float, float]:
    """Fraction of photons that convert at a polar angle, simulated and in a slab."""
    cosine = float(np.cos(np.radians(degrees)))
    gun = Gun(22, (5.0, 5.0), (cosine, cosine))
    (events,) = generate(GenerationConfig("gun", NUM_PHOTONS, seed, gun=gun), NUM_PHOTONS)
    offsets = offsets_from_counts(np.array([NUM_PHOTONS]))
    one_event = Collection(events.particles.schema, offsets, events.particles.columns)
    material = tracker_material(detector)
    rng = np.random.default_rng(seed)
    flights = interact(rng, flights_of(one_event), detector.geometry(), material)
    thickness = material.radiation_lengths / np.sin(np.radians(degrees))
    simulated = float((flights["end"][:NUM_PHOTONS] < NO_END).mean())
    return simulated, float(1 - np.exp(-7 / 9 * thickness))


def line(name: str, is_tagged: Array, is_true: Array, momentum: Array, num_events: int) -> str:
    """Efficiency and purity of one kind of secondary tracks."""
    is_right = is_tagged & is_true
    values = (
        is_true.sum() / num_events,
        is_right.sum() / is_true.sum(),
        momentum[is_right].sum() / momentum[is_true].sum(),
        is_right.sum() / is_tagged.sum(),
        momentum[is_tagged & ~is_true].sum() / num_events,
    )
    return f"{name:<12}" + "".join(f"{value:>14.3f}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="clic")
    parser.add_argument("--num-events", type=int, default=400)
    parser.add_argument("--seed", type=int, default=2700)
    options = parser.parse_args()
    detector = find_detector(options.detector)
    print(f"{'degrees':>8}{'converted':>11}{'slab':>8}{'ratio':>8}")
    for degrees in DEGREES:
        fraction, slab = converted(detector, degrees, options.seed)
        print(f"{degrees:>8g}{fraction:>11.3f}{slab:>8.3f}{fraction / slab:>8.3f}")
    config = GenerationConfig("ttbar", options.num_events, options.seed).made_for(detector)
    events = concatenate_events(list(generate(config)))
    result = simulate(events.particles, events.event_id, detector)
    tagged = find_secondary_tracks(result.tracks, detector, SecondaryConfig())
    truth = result.track_particles
    particle = events.particles.flat_index(truth.event_index, truth.particle_index)
    has_track = np.zeros(len(events.particles), bool)
    has_track[particle[truth.is_primary == 1]] = True
    is_secondary = truth.is_primary == 0
    momentum = result.tracks.pt * np.sqrt(1 + result.tracks.tan_lambda**2)
    heads = ("true/event", "efficiency", "by momentum", "purity", "wrong [GeV]")
    print(f"\n{'':<12}" + "".join(f"{head:>14}" for head in heads))
    for name, is_tagged, is_true in (
        ("kinks", tagged.is_kink_daughter, is_secondary & has_track[particle]),
        (
            "conversions",
            tagged.is_conversion,
            is_secondary & (events.particles.pdg_id[particle] == 22),
        ),
    ):
        print(line(name, is_tagged, is_true, momentum, options.num_events))


if __name__ == "__main__":
    main()
