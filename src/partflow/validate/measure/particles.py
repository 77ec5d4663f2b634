"""Single particles through the whole chain, with tracker material."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.core.particles import NEUTRAL_HADRON, PHOTON
from partflow.core.records import Array, Events
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import ParticleSample

MIN_RESPONSE = 0.1
"""A particle is reconstructed if its candidates have more than this fraction of its energy."""


def summarise_particles(events: Events) -> ParticleSample:
    """One row for each event of a gun, from the candidates of the baseline."""
    candidates, num = events.baseline, len(events)

    def energy_of(is_counted: Array) -> Array:
        """Energy of some candidates in each event, [event]."""
        return np.bincount(candidates.event_index[is_counted], candidates.energy[is_counted], num)

    return ParticleSample(
        event=np.arange(num),
        energy=events.particles.energy,
        charged=energy_of(candidates.charge != 0),
        photon=energy_of(candidates.pdg_id == PHOTON),
        neutral=energy_of(candidates.pdg_id == NEUTRAL_HADRON),
        num_candidates=candidates.counts,
    )


def measure_particles(sample: ParticleSample) -> Iterator[tuple[str, Estimate]]:
    """Figures of the particles of one sample, with their names."""
    bootstrap = estimate.resampling(len(sample.event))
    response = sample.total / sample.energy
    is_reconstructed = response > MIN_RESPONSE
    yield "efficiency", estimate.fraction(is_reconstructed, bootstrap)
    yield "candidates", estimate.mean(sample.num_candidates, bootstrap)
    yield "photon_share", estimate.mean(sample.photon / sample.energy, bootstrap)
    yield "neutral_share", estimate.mean(sample.neutral / sample.energy, bootstrap)
    response, event = response[is_reconstructed], np.flatnonzero(is_reconstructed)
    yield "median", estimate.median(response, event, bootstrap)
    yield "resolution", estimate.relative_iqr(response, event, bootstrap)
