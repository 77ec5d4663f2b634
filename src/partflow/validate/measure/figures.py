"""All figures of a validation, each with the name `SAMPLE: FIGURE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from partflow.validate.measure.contents import measure_contents
from partflow.validate.measure.estimate import Estimate
from partflow.validate.measure.jets import measure_jets, measure_total_energy
from partflow.validate.measure.particles import measure_particles
from partflow.validate.measure.showers import measure_showers
from partflow.validate.measure.tracks import measure_tracks
from partflow.validate.samples import SampleConfig, Study
from partflow.validate.summaries import Summary


def measure_figures(
    samples: Sequence[SampleConfig],
    summaries: Mapping[str, Summary],
    jets: Mapping[str, Mapping[str, Any]],
) -> dict[str, Estimate]:
    """All figures of all samples by name; `jets` holds `evaluate_jets` of each collision sample."""
    return {
        f"{sample.name}: {figure}": measured
        for sample in samples
        for figure, measured in _measure(sample, summaries[sample.name], jets)
    }


def _measure(
    sample: SampleConfig, summary: Summary, jets: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Estimate]]:
    """Figures of one sample with their names."""
    if sample.study == Study.SHOWERS:
        yield from measure_showers(sample.name.split("-")[1], summary["showers"])
    elif sample.study == Study.TRACKS:
        yield from measure_tracks(summary["tracks"])
    elif sample.study == Study.PARTICLES:
        yield from measure_particles(summary["particles"])
    else:
        yield from measure_contents(summary)
        if sample.generation.process == "uds":
            yield from measure_total_energy(summary["events"])
        yield from measure_jets(jets[sample.name])
