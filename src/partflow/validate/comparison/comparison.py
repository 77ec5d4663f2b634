"""A comparison from end to end: simulate, measure, decide, draw and write."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from rich.console import Console

from partflow.core.detector import Detector
from partflow.core.detector_file import describe
from partflow.core.engines import STAND_IN_WARNING
from partflow.core.outputs import growing_folder, output_error, replacing, write_text
from partflow.core.progress import progress, say
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.workers import check_workers, in_processes
from partflow.pipeline.geant4 import num_left_out
from partflow.report.page import SavedPlot
from partflow.report.style import Plot, drawing, save
from partflow.validate.comparison import jet_quantities, shower_quantities, tables
from partflow.validate.comparison.displays import (
    choose_group,
    displayed_particle,
    draw_particle,
)
from partflow.validate.comparison.groups import (
    JETS_SECTION,
    ShowerGroup,
    compare_collisions,
    compare_showers,
    num_between_regions,
    shower_groups,
)
from partflow.validate.comparison.page import SectionPictures, build_comparison_page
from partflow.validate.comparison.plots import file_name, jet_plots, shower_plots
from partflow.validate.comparison.reference import Reference, read_references
from partflow.validate.comparison.result import Result, read_result, write_result
from partflow.validate.comparison.simulation import (
    CHUNKS,
    Chunk,
    ComparedSample,
    plan_chunks,
    summarise_chunks,
)
from partflow.validate.marked_block import replace_block
from partflow.validate.summaries import Summary

PAGE, TABLE, PLOTS, DISPLAYS = "index.html", "table.md", "plots", "displays"
BEGIN, END = "<!-- comparison table: begin -->", "<!-- comparison table: end -->"
"""Lines of a page between which `write_comparison_into` writes the tables."""


def compare_engines(
    folders: Sequence[Path], output: Path, workers: int = 1, overwrite: bool = False
) -> Result:
    """Compare the fast simulation with stored events, and write tables, plots and displays.

    The generator particles of the stored events are simulated again with the same event ids and
    the same settings of the tracker and of the detector effects. A summary is printed. A finished
    comparison is not repeated, and an interrupted one is continued.

    Args:
        folders: Folders of stage `events`, of one detector and one engine.
        output: Folder to write.
        workers: Number of processes; the output does not depend on it.
        overwrite: Whether to replace an output that was made with other settings.

    Raises:
        InputError: A folder holds no events to compare.
        ConfigError: The folders are of several detectors or engines.
        OutputError: `output` is another output, or cannot be written.
    """
    check_workers(workers)
    references, detector = read_references(folders)
    provenance = _provenance(references, detector)
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say(f"{output}: is finished; --overwrite makes it again")
        else:
            _write(folder, references, detector, workers, provenance)
    result = read_result(output)
    if result.is_stand_in:
        say(STAND_IN_WARNING, style="bold red")
    # In a file or a pipe the table must not depend on the width of the terminal.
    width = None if sys.stdout.isatty() else 110
    Console(highlight=False, width=width).print(tables.terminal(result.groups))
    say(f"The page: {output / PAGE}; {TABLE} has all numbers")
    return result


def write_comparison_into(page: Path, comparison: Path) -> None:
    """Replace the tables in `page` by those of the finished comparison in folder `comparison`.

    They stand between the lines BEGIN and END. Raises InputError if the folder holds no result, or
    if the page does not have these lines.
    """
    result = read_result(comparison)
    provenance = result.provenance
    made = f"Made on {date.today().isoformat()} with version {provenance.version}"
    made += f", commit {provenance.commit[:8]}." if provenance.commit else "."
    parts = [f"**{STAND_IN_WARNING}**"] if result.is_stand_in else []
    parts += [
        f"{made} {tables.summary_sentence(result.groups)} Each cell has {result.label}, the fast "
        "simulation, and their ratio: bold where they differ, in brackets where the events do not "
        "decide it.",
        tables.short_markdown(result.groups, result.label),
    ]
    replace_block(page, BEGIN, END, "\n\n".join(parts) + "\n")


def _provenance(references: Sequence[Reference], detector: Detector) -> Provenance:
    """The provenance of a comparison."""
    return make_provenance(
        "comparison",
        {
            "detector": describe(detector),
            "engine": references[0].engine,
            references[0].engine: references[0].engine_settings,
            "against": [
                {
                    "folder": reference.folder.resolve().name,
                    "events": fingerprint(reference.folder),
                    "simulation": asdict(reference.config),
                    "simulation_fingerprint": reference.config.fingerprint(),
                }
                for reference in references
            ],
        },
    )


def _write(
    folder: Path,
    references: Sequence[Reference],
    detector: Detector,
    workers: int,
    provenance: Provenance,
) -> None:
    """Fill the folder of a comparison."""
    chunks = plan_chunks(references)
    summaries = summarise_chunks(chunks, folder, detector, workers)
    showers = shower_groups(summaries)
    collisions = [(sample, summary) for sample, summary in summaries.items() if not sample.is_gun]
    groups = [compare_showers(group, detector) for group in showers]
    groups += [compare_collisions(sample, summary) for sample, summary in collisions]
    result = Result(
        groups, references[0].label, any(reference.is_stand_in for reference in references),
        num_between_regions(summaries), provenance,
    )  # fmt: skip
    write_text(folder / TABLE, tables.markdown(groups, result.label, result.is_stand_in))
    pictures = _draw(folder, showers, collisions, chunks, detector, result, workers)
    write_text(folder / PAGE, _page(result, references, pictures))
    write_result(folder, result)
    shutil.rmtree(folder / CHUNKS)


def _page(
    result: Result, references: Sequence[Reference], pictures: Mapping[str, SectionPictures]
) -> str:
    """The page of a comparison."""
    remarks = [STAND_IN_WARNING] if result.is_stand_in else []
    if result.num_between_regions:
        remarks.append(
            f"{result.num_between_regions} particles between barrel and endcaps are not compared."
        )
    for reference in references:
        if lost := num_left_out(reference.folder):
            remarks.append(f"{reference.folder.name}: {lost} events were left out by the engine.")
    folders = ", ".join(reference.folder.resolve().name for reference in references)
    num_events = sum(group.num_events for group in result.groups)
    return build_comparison_page(
        result.groups,
        pictures,
        result.label,
        f"{folders}: {num_events} events",
        remarks,
        {**shower_quantities.DEFINITIONS, **jet_quantities.DEFINITIONS},
        result.provenance.to_json(),
        PLOTS,
    )


def _draw(
    folder: Path,
    showers: Sequence[ShowerGroup],
    collisions: Sequence[tuple[ComparedSample, Summary]],
    chunks: Sequence[Chunk],
    detector: Detector,
    result: Result,
    workers: int,
) -> dict[str, SectionPictures]:
    """Write all plots and displays; return the pictures of each section."""
    note = "stand-in data" if result.is_stand_in else ""
    sections: dict[str, list[ShowerGroup]] = {}
    for group in showers:
        sections.setdefault(group.section, []).append(group)
    with drawing():
        plots = {
            section: list(shower_plots(groups, result.label, detector, note))
            for section, groups in sections.items()
        }
        if collisions:
            plots[JETS_SECTION] = list(jet_plots(collisions, result.label, note))
    saved = _save_plots(plots, folder / PLOTS, workers)
    pictures = {section: SectionPictures(of_section) for section, of_section in saved.items()}
    (folder / DISPLAYS).mkdir(exist_ok=True)
    with progress("validate: displays", len(sections), "displays") as advance:
        for section, groups in sections.items():
            group = choose_group(groups)
            of_gun = [c for c in chunks if c.sample.is_gun and c.sample.setting == group.setting]
            displayed = displayed_particle(group, of_gun, detector)
            png = draw_particle(displayed, detector, result.label)
            with replacing(folder / DISPLAYS / f"{file_name(section)}.png") as temporary:
                temporary.write_bytes(png)
            pictures[section] = pictures[section]._replace(
                display=base64.b64encode(png).decode(), display_title=displayed.title
            )
            advance(1)
    return pictures


def _save_plots(
    plots: Mapping[str, Sequence[Plot]], folder: Path, workers: int
) -> dict[str, list[SavedPlot]]:
    """Write the files of the plots of all sections into `folder`, by `workers` processes."""
    folder.mkdir(exist_ok=True)
    tasks = [(plot, folder) for of_section in plots.values() for plot in of_section]
    svgs: dict[str, str] = {}
    with progress("validate: plots", len(tasks), "plots") as advance:
        for name, svg in in_processes(_save_plot, tasks, workers):
            svgs[name] = svg
            advance(1)
    return {
        section: [
            SavedPlot(plot.name, plot.title, plot.caption, svgs[plot.name]) for plot in of_section
        ]
        for section, of_section in plots.items()
    }


def _save_plot(plot: Plot, folder: Path) -> tuple[str, str]:
    """Write the files of one plot, in any process; returns its name and its SVG."""
    with drawing():
        try:
            return plot.name, save(plot, folder)
        except OSError as error:
            raise output_error(folder / plot.name, error) from error
