"""Events to elements and what each should become."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.detector_file import DETECTOR, describe
from partflow.core.errors import ConfigError
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import progress
from partflow.core.provenance import make_provenance
from partflow.core.records import Events
from partflow.core.store import iterate_events, num_events, write_events
from partflow.pipeline.folders import PACKED, check_elements, detector_of, say_done

if TYPE_CHECKING:
    from partflow.label.config import LabelConfig


def label(
    events: Path,
    output: Path,
    definition: str = "closed",
    overwrite: bool = False,
    elements: str = "final",
    config: LabelConfig | None = None,
) -> None:
    """Events -> elements and the particle each should become, plus flat arrays for training."""
    from partflow.dataset.packing import pack
    from partflow.label.config import LabelConfig

    num, config = num_events(events, "events"), config or LabelConfig()
    check_elements(events, elements)
    chosen = asdict(config) if definition == config.definition else {}
    settings = {
        **chosen,
        "definition": definition,
        "elements": elements,
        DETECTOR: describe(detector_of(events)),
    }
    record = make_provenance("labelled", settings, inputs=[events])
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return say_done(output)
        report = None
        with progress("label", num) as advance:
            for number, run in enumerate(iterate_events(events, "events")):
                labelled, of_run = label_events(run, definition, elements, config)
                shard = folder / f"labelled-{number:05d}.parquet"
                write_events(shard, labelled, "labelled", record)
                report = of_run if report is None else report + of_run
                advance(len(run))
        if report is not None:
            write_text(folder / "label-report.json", json.dumps(report.to_dict(), indent=1))
        runs = iterate_events(folder, "labelled")
        pack(runs, folder / PACKED, record, element_set=elements)


def label_events(
    events: Events,
    definition: str = "closed",
    elements: str = "final",
    config: LabelConfig | None = None,
) -> tuple[Events, Any]:
    """Labelled events of `events`, and the report on what was labelled."""
    from partflow.core.features import build_elements
    from partflow.label.labelling import label as label_targets
    from partflow.label.published import label_published
    from partflow.label.published_elements import baseline_on_elements

    if definition == "mlpf-2.5":
        if elements != "final":
            raise ConfigError(f"definition {definition}: it is one of the final elements only")
        return label_published(events)
    clusters, hit_clusters = (events.collections[name] for name in ELEMENT_SETS[elements])
    labels = label_targets(
        events.particles,
        events.tracks,
        clusters,
        hit_clusters,
        events.contributions,
        events.track_particles,
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
    if elements == "final":  # the baseline's candidates stand at these
        collections["baseline_targets"] = baseline_on_elements(
            events.baseline, events.tracks, clusters
        )
    return Events(events.event_id, events.process, collections), labels.report
