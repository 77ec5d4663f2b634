"""Displays of single events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.core.candidate_sets import BASELINE
from partflow.core.engines import warning_of
from partflow.core.errors import ConfigError, InputError
from partflow.core.outputs import exists_error, replacing, write_text
from partflow.core.progress import console
from partflow.core.records import Events
from partflow.core.store import num_events, read_event
from partflow.pipeline.element_sets import ElementSets, check_elements
from partflow.pipeline.references import check_names, element_set_of, reference_candidates

if TYPE_CHECKING:
    from partflow.evaluate.config import EvaluationConfig
    from partflow.report.display.scene import Scene


def display(
    events: Path,
    numbers: Sequence[int],
    candidates: Mapping[str, Path],
    output: Path,
    overwrite: bool = False,
) -> list[Path]:
    """Write a page with some events of a folder, and a PNG of each; returns the files.

    Args:
        events: Folder of events.
        numbers: Numbers of the events in the folder, from 0.
        candidates: Files of candidates by the name of the candidate set.
        output: Page to write; the PNGs are written into its folder.
        overwrite: Replace a page that exists.

    Raises:
        ConfigError: A number is out of range.
        InputError: Candidates are of other events.
    """
    from partflow.report.display.page import build_display_page
    from partflow.report.display.still import draw_still

    check_names(candidates)
    if output.exists() and not overwrite:
        raise exists_error(output)
    _check_numbers(numbers, num_events(events, "events"), events)
    make_scene = scene_maker(events, candidates)
    scenes = [make_scene(number, "") for number in dict.fromkeys(numbers)]
    with console.status("display"):
        stills = [draw_still(scene) for scene in scenes]
        write_text(output, build_display_page(scenes, stills, warning_of(events)))
    written = [output]
    for scene, still in zip(scenes, stills, strict=True):
        ending = "" if len(scenes) == 1 else f"-{scene.number}"
        written.append(output.with_name(f"{output.stem}{ending}.png"))
        with replacing(written[-1]) as temporary:
            temporary.write_bytes(still)
    return written


def scene_maker(
    events: Path, candidates: Mapping[str, Path], config: EvaluationConfig | None = None
) -> Callable[[int, str], Scene]:
    """A function that makes the scene of an event from its number and a remark.

    The given candidates come first, then baseline, perfect and target. Raises InputError if
    candidates are of other events; the function it returns does so, too.
    """
    from partflow.core.candidate_sets import PERFECT, TARGET
    from partflow.report.display.scene import CandidateSets, build_scene

    clusters, total = ElementSets.of(events), num_events(events, "events")
    detector = clusters.detector
    element_sets = {name: element_set_of(path) for name, path in candidates.items()}
    for element_set in element_sets.values():
        check_elements(element_set)
    for name, path in candidates.items():
        num_candidates = num_events(path, "candidates")
        if num_candidates != total:
            raise InputError(
                f"candidates {name} ({path}): {num_candidates} events, but {events} holds {total}; "
                "run `partflow reconstruct` on these events again"
            )

    def make_scene(number: int, remark: str) -> Scene:
        """The scene of the event with this number in the folder."""
        event = clusters.add(read_event(events, "events", number), element_sets.values())
        read = {
            name: _read_candidates(path, name, number, int(event.event_id[0]))
            for name, path in candidates.items()
        }
        references = reference_candidates(event, detector)
        sets = {name: chunk.candidates for name, chunk in read.items()}
        sets[BASELINE] = event.baseline
        sets |= {name: references.candidates[name] for name in (PERFECT, TARGET)}
        shares = {n: chunk.shares for n, chunk in read.items() if "shares" in chunk.collections}
        candidate_sets = CandidateSets(sets, references.targets, element_sets, shares)
        return build_scene(event, number, candidate_sets, detector, config, remark)

    return make_scene


def _check_numbers(numbers: Sequence[int], total: int, events: Path) -> None:
    """Raise InputError for a folder without events, ConfigError for numbers out of range."""
    if total == 0:
        raise InputError(f"{events}: holds no event, so there is nothing to display")
    if not numbers:
        raise ConfigError(f"--event: give the number of an event, from 0 to {total - 1}")
    for number in numbers:
        if not 0 <= number < total:
            raise ConfigError(
                f"--event {number}: {events} holds {total} events; give 0 to {total - 1}"
            )


def _read_candidates(path: Path, name: str, number: int, event_id: int) -> Events:
    """The candidates of one event; raises InputError if they are of another event."""
    event = read_event(path, "candidates", number)
    if event.event_id[0] != event_id:
        raise InputError(
            f"candidates {name} ({path}): belongs to other events; "
            "run `partflow reconstruct` on these events again"
        )
    return event
