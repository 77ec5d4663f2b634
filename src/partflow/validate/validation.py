"""The validation from end to end: simulate, measure, judge, draw, write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from partflow import pipeline
from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.known_detectors import known_detector
from partflow.core.outputs import growing_folder, output_error, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Events
from partflow.core.store import num_row_groups, read_row_group
from partflow.evaluate.response import number
from partflow.evaluate.sample import select
from partflow.report.style import Plot, drawing, save
from partflow.validate.displays import draw_display
from partflow.validate.measure.estimate import Estimate
from partflow.validate.measure.figures import measure
from partflow.validate.measure.jets import MAX_COS_THETA, judge_sets
from partflow.validate.plots.event_plots import event_plots
from partflow.validate.plots.shower_plots import shower_plots
from partflow.validate.samples import (
    COLLISIONS,
    DEFAULT_SEED,
    FULL,
    REDUCED,
    SampleConfig,
    Study,
    samples,
)
from partflow.validate.simulation import (
    CHUNKS,
    GENERATED,
    WITH_MATERIAL,
    generated_file,
    summarise_samples,
)
from partflow.validate.summaries import EventSample, Summary
from partflow.validate.table.rendering import Row, markdown, row, summary_sentence, terminal
from partflow.validate.table.targets import criteria
from partflow.validate.table.verdicts import Line, Verdict, judge

FORMAT = 1
RESULT, TABLE, PLOTS, DISPLAYS = "validation.json", "table.md", "plots", "displays"
BEGIN, END = "<!-- validation table: begin -->", "<!-- validation table: end -->"
"""Lines of a page between which `write_table_into` writes the table."""
WORST_DISPLAYS = ("uds-380", "ttbar", "uds-91", "ww")
"""Samples of which not only the first event is shown, but the one most wrongly reconstructed."""


def validate(
    output: Path,
    reduced: bool = False,
    workers: int = 1,
    seed: int = DEFAULT_SEED,
    overwrite: bool = False,
    detector_name: str = "clic",
) -> bool:
    """Simulate all samples and write table, plots and displays; whether no line fails.

    The table goes to standard output as well. A finished validation is not repeated, one that
    was cut short goes on where it stopped.
    """
    detector = known_detector(detector_name)
    chosen = samples(REDUCED if reduced else FULL, seed)
    record = make_provenance(
        "validation",
        {
            "reduced": reduced,
            "detector": detector.fingerprint(),
            "simulation": WITH_MATERIAL.fingerprint(),
            "samples": {sample.name: asdict(sample.generation) for sample in chosen},
        },
        seed,
    )
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            console.print(f"{output}: finished already (--overwrite makes it again)")
        else:
            _write(folder, chosen, detector, workers, reduced, record)
    result = read_result(output)
    rows = [Row(*entry["row"]) for entry in result["lines"]]
    Console(highlight=False).print(terminal(rows))
    console.print(f"{output / TABLE} has all lines, beside {PLOTS}/ and {DISPLAYS}/")
    return bool(result["passed"])


def read_result(output: Path) -> dict[str, Any]:
    """What `validation.json` of a finished validation holds.

    Raises InputError where there is none.
    """
    file = output / RESULT
    if not file.is_file():
        raise InputError(f"{output}: holds no {RESULT}; make it with `partflow validate`")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def write_table_into(page: Path, validation: Path) -> None:
    """Replace the table in `page` by that of the finished validation in folder `validation`.

    The table stands between the lines BEGIN and END. Raises InputError if the folder holds no
    result, or if the page does not have these lines.
    """
    result = read_result(validation)
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(
            f"{page}: no place for the table of the validation; add the lines {BEGIN} and {END}"
        )
    provenance = result["provenance"]
    size = "reduced" if result["reduced"] else "full"
    made = f"A {size} validation, seed {provenance['seed']}, version {provenance['version']}"
    made += f", commit {provenance['commit'][:8]}." if provenance["commit"] else "."
    table = markdown([Row(*line["row"]) for line in result["lines"]])
    write_text(page, f"{before}{BEGIN}\n\n{made} {table}\n{END}{after}")


def _write(
    folder: Path,
    chosen: Sequence[SampleConfig],
    detector: Detector,
    workers: int,
    reduced: bool,
    record: Provenance,
) -> None:
    summaries = summarise_samples(chosen, folder, detector, workers)
    judged = {s.name: judge_sets(summaries[s.name]) for s in chosen if s.study == Study.COLLISIONS}
    figures = measure(chosen, summaries, judged)
    lines = judge(figures, reduced)
    _draw(folder, figures, summaries, judged, detector)
    _draw_displays(folder, chosen, summaries, detector, reduced)
    rows = [row(line) for line in lines]
    write_text(folder / TABLE, markdown(rows))
    result = _result(lines, rows, figures, summaries, judged, reduced, record)
    write_text(folder / RESULT, json.dumps(result, indent=1))
    for scratch in (GENERATED, CHUNKS):
        shutil.rmtree(folder / scratch)


def _result(
    lines: Sequence[Line],
    rows: Sequence[Row],
    figures: Mapping[str, Estimate],
    summaries: Mapping[str, Summary],
    judged: Mapping[str, Any],
    reduced: bool,
    record: Provenance,
) -> dict[str, Any]:
    """What `validation.json` holds: numbers or None, never NaN."""
    return {
        "format": FORMAT,
        "passed": all(line.verdict != Verdict.FAIL for line in lines),
        "summary": summary_sentence(rows),
        "reduced": reduced,
        "lines": [
            {
                "figure": line.criterion.figure,
                "value": number(line.found.value),
                "interval": [number(line.found.low), number(line.found.high)],
                "allowed": [number(line.criterion.low), number(line.criterion.high)],
                "verdict": str(line.verdict),
                "row": list(words),
            }
            for line, words in zip(lines, rows, strict=True)
        ],
        "figures": {name: [number(v) for v in found] for name, found in figures.items()},
        "confusion": {
            name: summaries[name]["events"].confusion.mean(axis=0).tolist() for name in COLLISIONS
        },
        "jets": dict(judged),
        "num_events": {name: summary.num_events for name, summary in summaries.items()},
        "provenance": json.loads(record.to_json()),
    }


def _draw(
    folder: Path,
    figures: Mapping[str, Estimate],
    summaries: Mapping[str, Summary],
    judged: Mapping[str, Any],
    detector: Detector,
) -> None:
    """Write every plot as PNG, PDF and CSV."""
    target = folder / PLOTS
    target.mkdir(exist_ok=True)

    def plots() -> Iterator[Plot]:
        yield from shower_plots(figures, summaries, detector)
        yield from event_plots(figures, summaries, judged, criteria())

    with drawing(), progress("validate: plots", 15) as advance:
        for plot in plots():
            try:
                save(plot, target)
            except OSError as error:
                raise output_error(target / plot.name, error) from error
            advance(1)


def _draw_displays(
    folder: Path,
    chosen: Sequence[SampleConfig],
    summaries: Mapping[str, Summary],
    detector: Detector,
    reduced: bool,
) -> None:
    """Draw the first event of every sample, and of some the one most wrongly reconstructed."""
    target = folder / DISPLAYS
    target.mkdir(exist_ok=True)
    configs = {sample.name: sample for sample in chosen}
    wanted = [("first", name, 0) for name in COLLISIONS]
    wanted += [("worst", name, worst_event(summaries[name]["events"])) for name in WORST_DISPLAYS]
    if reduced:
        wanted = [w for w in wanted if w[1] == "uds-380"]
    with drawing(), progress("validate: displays", len(wanted)) as advance:
        for why, name, place in wanted:
            generated = _generated_event(folder, configs[name], place)
            event = pipeline.simulate_events(generated, detector, WITH_MATERIAL)
            title = _title(event, summaries[name]["events"], name, why, place)
            draw_display(event, detector, title, target / f"{name}-{why}.png")
            advance(1)


def worst_event(events: EventSample) -> int:
    """The event in whose energy the baseline is farthest from perfect particle flow."""
    barrel = select(events, events.abs_cos_theta < MAX_COS_THETA)
    if len(barrel.event) == 0:
        return 0
    difference = np.abs(barrel.baseline - barrel.perfect) / barrel.gen_energy
    return int(barrel.event[np.argmax(difference)])


def _generated_event(folder: Path, sample: SampleConfig, place: int) -> Events:
    """The generator particles of one event of a sample."""
    file = generated_file(folder, sample)
    for group in range(num_row_groups(file)):
        events = read_row_group(file, group, GENERATED)
        if place < len(events):
            return events[place : place + 1]
        place -= len(events)
    raise IndexError(place)


def _title(event: Events, events: EventSample, name: str, why: str, place: int) -> str:
    words = "first event" if why == "first" else "baseline farthest from perfect"
    energies = ", ".join(
        f"{kind} {getattr(events, kind)[place]:.1f}"
        for kind in ("baseline", "calorimeter", "perfect")
    )
    return (
        f"{name}, event {event.event_id[0]} ({words}): "
        f"generated {events.gen_energy[place]:.1f} GeV; {energies} GeV"
    )
