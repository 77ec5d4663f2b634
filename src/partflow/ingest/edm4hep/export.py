"""A folder of stage `events` -> EDM4hep files, one for each shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from partflow.core.candidate_stream import CandidateStream
from partflow.core.detector_file import recorded_detector
from partflow.core.errors import ConfigError
from partflow.core.outputs import growing_folder
from partflow.core.progress import progress, say_done
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.store import iterate_events, num_events, read_provenance, shards
from partflow.ingest.edm4hep.names import PFO_COLLECTIONS
from partflow.ingest.edm4hep.writing.writer import EdmWriter


def export_edm4hep(
    events: Path,
    output: Path,
    candidates: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> int | None:
    """Write events, and candidate sets of the same events, as EDM4hep files.

    `candidates` are files of stage `candidates`, by the name of the collection to write. The
    baseline becomes PandoraPFOs. Returns the number of events, or None where the output is
    finished already. Raises ConfigError for a name that cannot be used, InputError where
    candidates belong to other events.
    """
    candidates = candidates or {}
    for name in candidates:
        if name in PFO_COLLECTIONS or not name.isidentifier() or name.startswith("_"):
            raise ConfigError(
                f"candidates {name!r}: cannot be the name of a collection; take another name"
            )
    files = shards(events, "events")
    provenance = make_provenance(
        "edm4hep", {"candidates": sorted(candidates)}, inputs=[events, *candidates.values()]
    )
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say_done(output)
            return None
        streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
        total = num_events(events, "events")
        with progress("export", total) as advance:
            for file in files:
                target = folder / f"{file.stem}.edm4hep.root"
                advance(_export_shard(file, target, streams, provenance))
        for stream in streams.values():
            stream.expect_end()
    return total


def _export_shard(
    shard: Path, target: Path, streams: Mapping[str, CandidateStream], provenance: Provenance
) -> int:
    """One shard -> one file; returns the number of events."""
    if num_events(shard, "events") == 0:
        return 0  # EDM4hep takes its branches from the first event: without events, no file
    detector = recorded_detector(read_provenance(shard), str(shard))
    with EdmWriter(target, detector, provenance, list(streams)) as writer:
        for chunk in iterate_events(shard, "events"):
            writer.write(
                chunk, {name: s.take(chunk.event_id).candidates for name, s in streams.items()}
            )
    return writer.num_events
