"""Stage `label`: events -> elements and the particle each should become."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.deposits import resolve_deposits
from partflow.core.detector_file import DETECTOR, describe
from partflow.core.errors import ConfigError
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import progress, say_done
from partflow.core.provenance import make_provenance
from partflow.core.records import Events
from partflow.core.store import iterate_events, num_events, write_events
from partflow.pipeline.folders import PACKED, check_elements, detector_of

if TYPE_CHECKING:
    from partflow.label.config import LabelConfig


def label(
    events: Path,
    output: Path,
    definition: str = "closed",
    overwrite: bool = False,
    element_set: str = "final",
    config: LabelConfig | None = None,
) -> None:
    """Events -> elements and the particle each should become, plus flat arrays for training.

    `definition` is closed, whose options are in `config`, or mlpf-2.5 (`label.published`).
    """
    from partflow.dataset.packing import pack
    from partflow.label import LabelConfig

    num, config = num_events(events, "events"), config or LabelConfig()
    check_elements(events, element_set)
    settings = {
        **(asdict(config) if definition == config.definition else {}),
        "definition": definition,
        "elements": element_set,
        DETECTOR: describe(detector_of(events)),
    }
    provenance = make_provenance("labelled", settings, inputs=[events])
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            return say_done(output)
        report = None
        with progress("label", num) as advance:
            for number, chunk in enumerate(iterate_events(events, "events")):
                labelled, chunk_report = label_events(chunk, definition, element_set, config)
                shard = folder / f"labelled-{number:05d}.parquet"
                write_events(shard, labelled, "labelled", provenance)
                report = chunk_report if report is None else report + chunk_report
                advance(len(chunk))
        if report is not None:
            write_text(folder / "label-report.json", json.dumps(report.to_dict(), indent=1))
        chunks = iterate_events(folder, "labelled")
        pack(chunks, folder / PACKED, provenance, element_set=element_set)


def label_events(
    events: Events,
    definition: str = "closed",
    element_set: str = "final",
    config: LabelConfig | None = None,
) -> tuple[Events, Any]:
    """Labelled events (stage `labelled`) of `events`, and the report on their labels.

    Raises ConfigError for the published definition of other elements than the final ones,
    DataError where a truth link points out of its event.
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
