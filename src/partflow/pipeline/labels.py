"""Stage `label`: events -> elements and the particle each should become."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.deposits import resolve_deposits
from partflow.core.detector_file import DETECTOR, describe
from partflow.core.errors import ConfigError
from partflow.core.executors import Executor, LocalExecutor
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import progress, say_done
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Events
from partflow.core.store import (
    iterate_events,
    num_events,
    num_row_groups,
    read_row_group,
    shards,
    write_events,
)
from partflow.pipeline.element_sets import ElementSets, check_elements
from partflow.pipeline.folders import PACKED

if TYPE_CHECKING:
    from partflow.label.config import LabelConfig

REPORTS_FOLDER = ".reports"
"""Reports on finished shards while the output grows: a restart needs them."""


def label(
    events: Path,
    output: Path,
    definition: str = "closed",
    overwrite: bool = False,
    element_set: str = "final",
    config: LabelConfig | None = None,
    workers: int = 1,
    executor: Executor | None = None,
) -> None:
    """Events -> elements and the particle each should become, plus flat arrays for training.

    `definition` is closed, whose options are in `config`, or mlpf-2.5 (`label.published`). The
    shards are tasks of `executor`; without one they are labelled by `workers` processes.
    """
    from partflow.dataset.packing import pack
    from partflow.label import LabelConfig

    executor = executor or LocalExecutor(workers)
    num, config = num_events(events, "events"), config or LabelConfig()
    check_elements(element_set)
    element_sets = ElementSets.of(events)
    settings = {
        **(asdict(config) if definition == config.definition else {}),
        "definition": definition,
        "elements": element_set,
        DETECTOR: describe(element_sets.detector),
    }
    provenance = make_provenance("labelled", settings, inputs=[events])
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            return say_done(output)
        groups = [
            (file, group)
            for file in shards(events, "events")
            for group in range(num_row_groups(file))
        ]
        work = partial(
            _label_row_group,
            folder=folder,
            definition=definition,
            element_set=element_set,
            element_sets=element_sets,
            config=config,
            provenance=provenance,
        )
        tasks = [(number, *group) for number, group in enumerate(groups)]
        reports: dict[int, Any] = {}
        with progress("label", num) as advance:
            for number, report in executor.map_tasks(work, tasks):
                reports[number] = report
                advance(report.num_events)
        if reports:  # added up in the order of the shards: sums of floats depend on it
            total = reduce(add, (reports[number] for number in sorted(reports)))
            write_text(folder / "label-report.json", json.dumps(total.to_dict(), indent=1))
        shutil.rmtree(folder / REPORTS_FOLDER, ignore_errors=True)
        chunks = iterate_events(folder, "labelled")
        pack(chunks, folder / PACKED, provenance, element_set=element_set)


def _label_row_group(
    number: int,
    file: Path,
    group: int,
    folder: Path,
    definition: str,
    element_set: str,
    element_sets: ElementSets,
    config: LabelConfig,
    provenance: Provenance,
) -> tuple[int, Any]:
    """One row group of events -> one labelled shard in `folder`; returns its number and report."""
    shard = folder / f"labelled-{number:05d}.parquet"
    stored = folder / REPORTS_FOLDER / f"{number:05d}.json"
    if shard.exists() and stored.exists():  # an interrupted run made it
        return number, _report_from(json.loads(stored.read_text(encoding="utf-8")), definition)
    events = element_sets.add(read_row_group(file, group, "events"), [element_set])
    labelled, report = label_events(events, definition, element_set, config)
    write_events(shard, labelled, "labelled", provenance)
    write_text(stored, json.dumps(asdict(report)))
    return number, report


def _report_from(values: dict[str, Any], definition: str) -> Any:
    """The report on labels that `dataclasses.asdict` turned into `values`."""
    from partflow.label.published import DEFINITION, PublishedReport
    from partflow.label.report import Amount, LabelReport

    if definition == DEFINITION:
        return PublishedReport(**{**values, "bad_event_ids": tuple(values["bad_event_ids"])})
    amounts: dict[str, Any] = {
        name: Amount(**value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    return LabelReport(**amounts)


def label_events(
    events: Events,
    definition: str = "closed",
    element_set: str = "final",
    config: LabelConfig | None = None,
) -> tuple[Events, Any]:
    """Labelled events (stage `labelled`) of `events`, and the report on their labels.

    `events` hold the clusters of the element set (`ElementSets.add`).

    Raises ConfigError for the published definition of other elements than the final ones, DataError
    where a truth link points out of its event.
    """
    from partflow.core.features import build_elements
    from partflow.label import label as label_targets
    from partflow.label.baseline import baseline_on_elements
    from partflow.label.published import DEFINITION, label_published

    if definition == DEFINITION:
        if element_set != "final":
            raise ConfigError(
                f"definition {definition} with elements {element_set}: it is defined for the final "
                "elements only; label with --elements final or --definition closed"
            )
        return label_published(events)
    clusters, hit_clusters = (events.collections[name] for name in ELEMENT_SETS[element_set])
    labels = label_targets(
        events.particles,
        events.tracks,
        events.track_particles,
        clusters,
        resolve_deposits(events.particles, clusters, hit_clusters, events.contributions),
        events.event_id,
        events.hits,
        config,
    )
    collections = {
        "elements": build_elements(events.tracks, clusters),
        "targets": labels.targets,
        "shares": labels.shares,
        "gen_jets": labels.gen_jets,
        "target_jets": labels.target_jets,
        "gen_met": labels.gen_met,
    }
    if element_set == "final":  # the baseline's candidates are on these elements
        collections["baseline_targets"] = baseline_on_elements(
            events.baseline, events.tracks, clusters
        )
    if "event_weight" in events.collections:
        collections["event_weight"] = events.event_weight
    return Events(events.event_id, events.process, collections), labels.report
