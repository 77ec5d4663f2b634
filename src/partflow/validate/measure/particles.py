"""Single particles through the whole chain, tracker material included."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.core.particles import NEUTRAL_HADRON, PHOTON
from partflow.core.records import Array, Events
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import ParticleSample

MIN_RESPONSE = 0.1
"""A particle counts as seen if its candidates hold more than this part of its energy."""


def summarise_particles(events: Events) -> ParticleSample:
    """One row for each event of a gun that holds the baseline's candidates."""
    found, num = events.baseline, len(events)

    def energy_of(is_counted: Array) -> Array:
        return np.bincount(found.event_index[is_counted], found.energy[is_counted], num)

    return ParticleSample(
        event=np.arange(num),
        energy=events.particles.energy,
        charged=energy_of(found.charge != 0),
        photon=energy_of(found.pdg_id == PHOTON),
        neutral=energy_of(found.pdg_id == NEUTRAL_HADRON),
        num_candidates=found.counts,
    )


def measure_particles(sample: ParticleSample) -> Iterator[tuple[str, Estimate]]:
    """What the particles of one energy say, by the name of the figure."""
    everything = estimate.resampling(len(sample.event))
    response = sample.total / sample.energy
    is_seen = response > MIN_RESPONSE
    yield "efficiency", estimate.fraction(is_seen, everything)
    yield "candidates", estimate.mean(sample.num_candidates, everything)
    yield "photon_share", estimate.mean(sample.photon / sample.energy, everything)
    yield "neutral_share", estimate.mean(sample.neutral / sample.energy, everything)
    seen, event = response[is_seen], np.flatnonzero(is_seen)
    yield "median", estimate.median(seen, event, everything)
    yield "resolution", estimate.relative_iqr(seen, event, everything)
