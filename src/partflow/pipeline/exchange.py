"""Events from elsewhere, and events for elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from partflow.core.progress import console
from partflow.core.store import iterate_events, read_provenance, shards
from partflow.pipeline.folders import PACKED


def ingest(
    inputs: Sequence[Path],
    output: Path,
    format: str = "edm4hep",
    detector_name: str = "clic",
    workers: int = 1,
    process: str | None = None,
    overwrite: bool = False,
) -> None:
    """Full-simulation EDM4hep files -> events; published data sets -> labelled events."""
    if format == "edm4hep":
        from partflow.ingest.ingestion import ingest as ingest_edm4hep

        ingest_edm4hep(inputs, output, detector_name, workers, process, overwrite)
        return
    from partflow.dataset.packing import pack
    from partflow.ingest.tfds.ingestion import ingest_tfds

    found = ingest_tfds(inputs, output, detector_name, workers, overwrite)
    for folder in found.folders.values():
        record = read_provenance(shards(folder, "labelled")[0])
        pack(iterate_events(folder, "labelled"), folder / PACKED, record)
    found.report.raise_if_failed(str(output))


def export_dataset(
    source: Path,
    output: Path,
    format: str = "tfds",
    name: str = "",
    candidates: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> None:
    """Labelled events -> a published data set; events -> EDM4hep files."""
    if format == "tfds":
        from partflow.ingest.tfds.writing import export_tfds

        console.print(export_tfds(source, output, name, overwrite))
        return
    from partflow.ingest.edm4hep.export import export_edm4hep

    export_edm4hep(source, output, candidates or {}, overwrite)
