"""A folder of stage `events` -> EDM4hep files, one for each shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from partflow.core.candidate_stream import CandidateStream
from partflow.core.detector import Detector
from partflow.core.detector_file import detector_from
from partflow.core.errors import ConfigError
from partflow.core.outputs import growing_folder
from partflow.core.progress import console, progress
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.store import iterate_events, num_events, read_provenance, shards
from partflow.ingest.edm4hep.pfos import PFO_COLLECTIONS
from partflow.ingest.edm4hep.writing import EdmWriter


def export_edm4hep(
    events: Path,
    output: Path,
    candidates: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> int | None:
    """Write events, and `candidates` (files of stage `candidates` by the name of the collection
    they become) as EDM4hep; returns the number of events, or None where it is done already.

    The baseline becomes PandoraPFOs. Raises ConfigError for a name that is taken, InputError
    where candidates belong to other events.
    """
    candidates = candidates or {}
    for name in candidates:
        if name in PFO_COLLECTIONS or not name.isidentifier() or name.startswith("_"):
            raise ConfigError(
                f"candidates {name!r}: no name for a further collection; take another"
            )
    files = shards(events, "events")
    record = make_provenance(
        "edm4hep", {"candidates": sorted(candidates)}, inputs=[events, *candidates.values()]
    )
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            console.print(f"{output}: finished already, nothing to do (--overwrite makes it again)")
            return None
        streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
        total = num_events(events, "events")
        with progress("export", total) as advance:
            for file in files:
                target = folder / f"{file.stem}.edm4hep.root"
                advance(_export_shard(file, target, detector_of(file), streams, record))
        for stream in streams.values():
            stream.expect_end()
    return total


def detector_of(shard: Path) -> Detector:
    """The detector that a shard's events were made or ingested for."""
    return detector_from(read_provenance(shard).config.get("detector", ""), str(shard))


def _export_shard(
    shard: Path,
    target: Path,
    detector: Detector,
    streams: Mapping[str, CandidateStream],
    record: Provenance,
) -> int:
    if num_events(shard, "events") == 0:
        return 0  # no event, no file: EDM4hep takes its branches from the first
    with EdmWriter(target, detector, record, list(streams)) as writer:
        for run in iterate_events(shard, "events"):
            found = {name: s.take(run.event_id).candidates for name, s in streams.items()}
            writer.write(run, found)
    return writer.num_events
