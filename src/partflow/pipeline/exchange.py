"""Files of other programs: read as events, and written from events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from partflow.core.executors import Executor
from partflow.core.progress import say
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
    executor: Executor | None = None,
) -> None:
    """Full-simulation EDM4hep files -> events; published data sets -> labelled events.

    `format` is `edm4hep` or `tfds`. Of a data set each split becomes a folder below `output`, with
    flat arrays for training. The files are tasks of `executor`; without one they are read by
    `workers` processes. See `ingest.edm4hep.ingestion` and `ingest.tfds.ingestion`.
    """
    if format == "edm4hep":
        from partflow.ingest.edm4hep.ingestion import ingest_edm4hep

        ingest_edm4hep(inputs, output, detector_name, workers, process, overwrite, executor)
        return
    from partflow.dataset.packing import pack
    from partflow.ingest.tfds.ingestion import ingest_tfds

    ingested = ingest_tfds(inputs, output, detector_name, workers, overwrite, executor)
    for folder in ingested.folders.values():
        provenance = read_provenance(shards(folder, "labelled")[0])
        pack(iterate_events(folder, "labelled"), folder / PACKED, provenance)
    ingested.report.raise_if_failed(str(output))


def export_dataset(
    source: Path,
    output: Path,
    format: str = "tfds",
    name: str = "",
    candidates: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> None:
    """Labelled events -> a published data set; events -> EDM4hep files.

    `format` is `tfds` or `edm4hep`. `name` is that of the data set (tfds). `candidates` are
    further candidate sets to write (edm4hep).
    """
    if format == "tfds":
        from partflow.ingest.tfds.writing import export_tfds

        report = export_tfds(source, output, name, overwrite)
        if report is not None:
            say(report.sentence())
        return
    from partflow.ingest.edm4hep.export import export_edm4hep

    export_edm4hep(source, output, candidates or {}, overwrite)
