"""Single events to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.core.candidate_sets import BASELINE
from partflow.core.errors import ConfigError, InputError
from partflow.core.outputs import exists_error, replacing, write_text
from partflow.core.progress import console
from partflow.core.records import Collection
from partflow.core.store import num_events, read_event
from partflow.pipeline.folders import check_elements, detector_of
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
    """Some events of a folder as a page, and a PNG of each beside it; returns what was written.

    An event's number is its place in the folder, from 0. Raises ConfigError for a number that
    is out of range, InputError for candidates of other events.
    """
    from partflow.report.display.page import build_display_page
    from partflow.report.display.still import draw_still

    check_names(candidates)
    if output.exists() and not overwrite:
        raise exists_error(output)
    total = num_events(events, "events")
    if total == 0:
        raise InputError(f"{events}: holds no event, so there is nothing to display")
    if not numbers:
        raise ConfigError(f"--event: give the number of an event, from 0 to {total - 1}")
    for number in numbers:
        if not 0 <= number < total:
            raise ConfigError(
                f"--event {number}: {events} holds {total} events; give 0 to {total - 1}"
            )
    make = scene_maker(events, candidates)
    scenes = [make(number, "") for number in dict.fromkeys(numbers)]
    with console.status("display"):
        stills = [draw_still(scene) for scene in scenes]
        write_text(output, build_display_page(scenes, stills))
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
    """A function of an event's number and a remark that gives its scene.

    Own candidates come first, then baseline, perfect and target. Raises InputError for
    candidates of other events.
    """
    from partflow.core.candidate_sets import PERFECT, TARGET
    from partflow.report.display.scene import Compared, build_scene

    detector, total = detector_of(events), num_events(events, "events")
    elements = {name: element_set_of(path) for name, path in candidates.items()}
    for own in elements.values():
        check_elements(events, own)
    for name, path in candidates.items():
        held = num_events(path, "candidates")
        if held != total:
            raise InputError(
                f"candidates {name} ({path}): of {held} events, but {events} holds {total}; "
                "run `partflow reconstruct` on these events again"
            )

    def make(number: int, remark: str) -> Scene:
        event = read_event(events, "events", number)
        found: dict[str, Collection] = {}
        shares: dict[str, Collection] = {}
        for name, path in candidates.items():
            one = read_event(path, "candidates", number)
            if one.event_id[0] != event.event_id[0]:
                raise InputError(
                    f"candidates {name} ({path}): belongs to other events; "
                    "run `partflow reconstruct` on these events again"
                )
            found[name] = one.candidates
            if "shares" in one.collections:
                shares[name] = one.shares
        references = reference_candidates(event, detector)
        found[BASELINE] = event.baseline
        found |= {name: references.candidates[name] for name in (PERFECT, TARGET)}
        compared = Compared(found, references.targets, elements, shares)
        return build_scene(event, number, compared, detector, config, remark)

    return make
