"""Event displays of a validation: stills of the report's display, with the baseline's mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partflow import pipeline
from partflow.core.candidate_sets import BASELINE
from partflow.core.detector import Detector
from partflow.core.outputs import replacing
from partflow.core.progress import progress
from partflow.core.records import Events
from partflow.core.store import num_row_groups, read_row_group
from partflow.evaluate.sample import select
from partflow.report.display.scene import CandidateSets, Scene, build_scene
from partflow.report.display.still import draw_still
from partflow.validate.measure.jets import ENERGY_SETS, MAX_COS_THETA
from partflow.validate.samples import COLLISIONS, SampleConfig
from partflow.validate.simulation import GENERATED, WITH_MATERIAL, generated_file
from partflow.validate.summaries import EventSample, Summary

WORST_DISPLAYS = ("uds-380", "ttbar", "uds-91", "ww")
"""Samples with a second display: of the event that is reconstructed worst."""
REDUCED_SAMPLE = "uds-380"
"""The only sample with displays in a reduced validation."""


class DisplayedEvent(NamedTuple):
    """An event to display."""

    sample: str
    number: int
    """Its number in the sample, from 0."""
    reason: str
    """Why it is displayed, which is part of the name of its file."""


def draw_displays(
    folder: Path,
    samples: Sequence[SampleConfig],
    summaries: Mapping[str, Summary],
    detector: Detector,
    reduced: bool,
    validation: Path,
) -> None:
    """Write a PNG of the first event of each sample, and of the worst of some, into `folder`.

    The generated events are read from the folder of the unfinished `validation`.
    """
    folder.mkdir(exist_ok=True)
    selected = [DisplayedEvent(name, 0, "first") for name in COLLISIONS]
    selected += [
        DisplayedEvent(name, worst_event(summaries[name]["events"]), "worst")
        for name in WORST_DISPLAYS
    ]
    if reduced:
        selected = [shown for shown in selected if shown.sample == REDUCED_SAMPLE]
    files = {sample.name: generated_file(validation, sample) for sample in samples}
    with progress("validate: displays", len(selected)) as advance:
        for shown in selected:
            generated = _read_event(files[shown.sample], shown.number)
            event = pipeline.simulate_events(generated, detector, WITH_MATERIAL)
            title = _title(summaries[shown.sample]["events"], shown)
            with replacing(folder / f"{shown.sample}-{shown.reason}.png") as temporary:
                temporary.write_bytes(draw_still(baseline_scene(event, detector, title)))
            advance(1)


def baseline_scene(event: Events, detector: Detector, title: str) -> Scene:
    """One simulated event with the candidates of its baseline, compared with the targets."""
    targets = pipeline.reference_candidates(event, detector).targets
    sets = CandidateSets({BASELINE: event.baseline}, targets)
    return replace(build_scene(event, 0, sets, detector), title=title)


def worst_event(events: EventSample) -> int:
    """Number of the event in which the energy of the baseline is farthest from `PERFECT`.

    Only two-jet events in the barrel count; 0 without any.
    """
    barrel = select(events, events.abs_cos_theta < MAX_COS_THETA)
    if len(barrel.event) == 0:
        return 0
    difference = np.abs(barrel.baseline - barrel.perfect) / barrel.gen_energy
    return int(barrel.event[np.argmax(difference)])


def _read_event(file: Path, index: int) -> Events:
    """Generator particles of event number `index` in `file`."""
    for group in range(num_row_groups(file)):
        events = read_row_group(file, group, GENERATED)
        if index < len(events):
            return events[index : index + 1]
        index -= len(events)
    raise IndexError(index)


def _title(summary: EventSample, shown: DisplayedEvent) -> str:
    """Energies of the candidate sets, then sample, event and reason on a second line."""
    energies = ", ".join(
        f"{name} {getattr(summary, name)[shown.number]:.1f}" for name in ENERGY_SETS
    )
    reason = {"first": "first event", "worst": "farthest from perfect"}[shown.reason]
    return (
        f"generated {summary.gen_energy[shown.number]:.1f} GeV; {energies} GeV\n"
        f"{shown.sample}, event {shown.number}, {reason}"
    )
