"""A validation from end to end: simulate, measure, decide, draw and write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.known_detectors import known_detector
from partflow.core.outputs import growing_folder, output_error, write_text
from partflow.core.progress import progress, say
from partflow.core.provenance import Provenance, make_provenance
from partflow.evaluate.gate import Verdict
from partflow.evaluate.response import number
from partflow.report.style import Plot, drawing, save
from partflow.validate.displays import draw_displays
from partflow.validate.marked_block import replace_block
from partflow.validate.measure.contents import energy_flow
from partflow.validate.measure.estimate import Estimate
from partflow.validate.measure.figures import measure_figures
from partflow.validate.measure.jets import evaluate_jets
from partflow.validate.plots.event_plots import event_plots
from partflow.validate.plots.shower_plots import shower_plots
from partflow.validate.samples import (
    COLLISIONS,
    DEFAULT_SEED,
    FULL,
    REDUCED,
    SampleConfig,
    samples,
)
from partflow.validate.simulation import (
    CHUNKS,
    GENERATED,
    WITH_MATERIAL,
    summarise_samples,
)
from partflow.validate.summaries import Summary
from partflow.validate.table.lines import Line, judge_figures
from partflow.validate.table.rendering import (
    Row,
    format_line,
    markdown,
    summary_sentence,
    terminal,
)
from partflow.validate.table.targets import targets

FORMAT = 2
RESULT, TABLE, PLOTS, DISPLAYS = "validation.json", "table.md", "plots", "displays"
BEGIN, END = "<!-- validation table: begin -->", "<!-- validation table: end -->"
"""Lines of a page between which `write_table_into` writes the table."""


def validate(
    output: Path,
    reduced: bool = False,
    workers: int = 1,
    seed: int = DEFAULT_SEED,
    overwrite: bool = False,
    detector_name: str = "clic",
) -> bool:
    """Simulate all samples and write table, plots and displays; return whether no line fails.

    The table is also printed. A finished validation is not repeated, and an interrupted one is
    continued.

    Args:
        output: Folder to write.
        reduced: Whether to simulate a small fraction of the events.
        workers: Number of processes; the output does not depend on it.
        seed: Seed of the first sample.
        overwrite: Whether to replace an output that was made with other settings.
        detector_name: Name of one of the known detectors.

    Raises:
        ConfigError: The seed is reserved for tuning, or the detector is unknown.
        OutputError: `output` is another output, or cannot be written.
    """
    detector = known_detector(detector_name)
    configs = samples(REDUCED if reduced else FULL, seed)
    provenance = make_provenance(
        "validation",
        {
            "reduced": reduced,
            "detector": detector.fingerprint(),
            "simulation": WITH_MATERIAL.fingerprint(),
            "samples": {sample.name: asdict(sample.generation) for sample in configs},
        },
        seed,
    )
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say(f"{output}: is finished; --overwrite makes it again")
        else:
            _write(folder, configs, detector, workers, reduced, provenance)
    result = read_result(output)
    rows = [Row(*entry["row"]) for entry in result["lines"]]
    Console(highlight=False).print(terminal(rows))
    say(f"{output / TABLE} has all lines; plots and displays are in the same folder")
    return bool(result["passed"])


def read_result(output: Path) -> dict[str, Any]:
    """The contents of `validation.json` in the folder of a finished validation.

    Raises InputError if there is none.
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
    provenance = result["provenance"]
    size = "reduced" if result["reduced"] else "full"
    made = f"A {size} validation, seed {provenance['seed']}, version {provenance['version']}"
    made += f", commit {provenance['commit'][:8]}." if provenance["commit"] else "."
    table = markdown([Row(*line["row"]) for line in result["lines"]])
    replace_block(page, BEGIN, END, f"{made} {table}")


def _write(
    folder: Path,
    configs: Sequence[SampleConfig],
    detector: Detector,
    workers: int,
    reduced: bool,
    provenance: Provenance,
) -> None:
    """Fill the folder of a validation."""
    summaries = summarise_samples(configs, folder, detector, workers)
    jets = {name: evaluate_jets(summaries[name]) for name in COLLISIONS}
    figures = measure_figures(configs, summaries, jets)
    lines = judge_figures(figures, reduced)
    _draw_plots(folder / PLOTS, figures, summaries, jets, detector)
    draw_displays(folder / DISPLAYS, configs, summaries, detector, reduced, folder)
    rows = [format_line(line) for line in lines]
    write_text(folder / TABLE, markdown(rows))
    result = _result(lines, rows, figures, summaries, jets, reduced, provenance)
    write_text(folder / RESULT, json.dumps(result, indent=1))
    for name in (GENERATED, CHUNKS):
        shutil.rmtree(folder / name)


def _result(
    lines: Sequence[Line],
    rows: Sequence[Row],
    figures: Mapping[str, Estimate],
    summaries: Mapping[str, Summary],
    jets: Mapping[str, Any],
    reduced: bool,
    provenance: Provenance,
) -> dict[str, Any]:
    """The contents of `validation.json`; None stands for NaN."""
    return {
        "format": FORMAT,
        "passed": all(line.verdict != Verdict.FAIL for line in lines),
        "summary": summary_sentence(rows),
        "reduced": reduced,
        "lines": [
            {
                "figure": line.criterion.figure,
                "value": number(line.measured.value),
                "interval": [number(line.measured.low), number(line.measured.high)],
                "allowed": [line.criterion.low, line.criterion.high],
                "verdict": str(line.verdict or ""),
                "row": list(row),
            }
            for line, row in zip(lines, rows, strict=True)
        ],
        "figures": {name: [number(v) for v in estimate] for name, estimate in figures.items()},
        "energy_flow": {name: energy_flow(summaries[name]) for name in COLLISIONS},
        "jets": dict(jets),
        "num_events": {name: summary.num_events for name, summary in summaries.items()},
        "provenance": json.loads(provenance.to_json()),
    }


def _draw_plots(
    folder: Path,
    figures: Mapping[str, Estimate],
    summaries: Mapping[str, Summary],
    jets: Mapping[str, Any],
    detector: Detector,
) -> None:
    """Write all plots into `folder` as PNG, PDF and CSV."""
    folder.mkdir(exist_ok=True)

    def plots() -> Iterator[Plot]:
        """All plots, one at a time."""
        yield from shower_plots(figures, summaries, detector)
        yield from event_plots(figures, summaries, jets, targets())

    with drawing(), progress("validate: plots", 15) as advance:
        for plot in plots():
            try:
                save(plot, folder)
            except OSError as error:
                raise output_error(folder / plot.name, error) from error
            advance(1)
