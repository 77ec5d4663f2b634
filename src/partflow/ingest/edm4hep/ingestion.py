"""Many EDM4hep files -> one folder of stage `events`, and a report on the files and bad events."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from partflow.core.detector import Detector
from partflow.core.detector_file import DETECTOR, describe, find_detector
from partflow.core.errors import OutputError, PartflowError
from partflow.core.executors import Executor, LocalExecutor
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import progress, say, say_done
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.store import FULL_SIMULATION, EventWriter
from partflow.ingest.edm4hep.podio import open_podio
from partflow.ingest.edm4hep.reading.contents import contents_of
from partflow.ingest.edm4hep.reading.events import entry_ranges, read_chunk, read_event_weight
from partflow.ingest.files import find_files, short_names
from partflow.ingest.report import (
    REPORT_FILE,
    REPORTS_FOLDER,
    BadEvent,
    FileReport,
    IngestReport,
    brief,
    store_report,
    stored_report,
)


def ingest_edm4hep(
    inputs: Sequence[Path],
    output: Path,
    detector_name: str = "clic",
    workers: int = 1,
    process: str | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> IngestReport:
    """Read EDM4hep files into the folder `output`, one shard for each file.

    `inputs` are files, folders of *.root, and patterns. `detector_name` is that of a known
    detector, or of a JSON file. `process` names the process of the events; by default it is the
    name of their file without its number. The files are tasks of `executor`; without one they are
    read by `workers` processes. Bad events and files that cannot be read are skipped
    and listed in the report. Raises InputError where a file could not be read, after the others
    are written.
    """
    executor = executor or LocalExecutor(workers)
    files = find_files(inputs)
    names = short_names(files)
    detector = find_detector(detector_name)
    provenance = replace(
        make_provenance("events", {DETECTOR: describe(detector), "process": process}),
        inputs={name: fingerprint(file) for name, file in zip(names, files, strict=True)},
    )
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say_done(output)
            report = IngestReport.from_json((output / REPORT_FILE).read_text(encoding="utf-8"))
        else:
            work = partial(
                ingest_file,
                folder=folder,
                detector=detector,
                process=process,
                provenance=provenance,
            )
            tasks = [(number, *pair) for number, pair in enumerate(zip(files, names, strict=True))]
            reports: dict[int, FileReport] = {}
            with progress("ingest", len(tasks), "files") as advance:
                for number, file_report in executor.map_tasks(work, tasks):
                    reports[number] = file_report
                    advance(1)
            report = IngestReport(tuple(reports[number] for number in sorted(reports)))
            if len(report.failed) == len(files):
                report.raise_if_failed(str(output))
            write_text(folder / REPORT_FILE, report.to_json())
            shutil.rmtree(folder / REPORTS_FOLDER, ignore_errors=True)
    for line in report.lines():
        say(line)
    report.raise_if_failed(str(output))
    return report


def ingest_file(
    number: int,
    file: Path,
    name: str,
    folder: Path,
    detector: Detector,
    process: str | None,
    provenance: Provenance,
) -> tuple[int, FileReport]:
    """One file -> one shard in `folder`; returns its number and its report.

    A file that cannot be read to its end leaves no shard.
    """
    shard = folder / f"events-{number:05d}.parquet"
    finished = stored_report(folder, number)
    if finished is not None and shard.exists():  # an interrupted run made it
        return number, finished
    try:
        report = _write_shard(file, name, shard, detector, process, provenance)
    except OutputError:
        raise  # such as a full disk: the file is not to blame
    except PartflowError as error:
        return number, FileReport(name, error=str(error))
    except Exception as error:
        # Damaged bytes may hold values that no check foresaw; the other files are still read.
        return number, FileReport(name, error=f"{file}: cannot be ingested ({brief(error)})")
    store_report(folder, number, report)
    return number, report


def _write_shard(
    file: Path,
    name: str,
    shard: Path,
    detector: Detector,
    process: str | None,
    provenance: Provenance,
) -> FileReport:
    """Read a file chunk by chunk and write each chunk as a row group."""
    bad_events: list[BadEvent] = []
    num_orphan_links = 0
    with open_podio(file, name) as podio:
        missing = contents_of(podio).missing
        weight = read_event_weight(podio)
        optional = [*FULL_SIMULATION, *(["event_weight"] if weight is not None else [])]
        with EventWriter(shard, "events", provenance, optional) as writer:
            for entries in entry_ranges(podio):
                chunk = read_chunk(podio, entries, detector, process, weight)
                writer.write(chunk.events)
                bad_events += chunk.bad_events
                num_orphan_links += chunk.num_orphan_links
    return FileReport(
        name, podio.num_events, writer.num_events, tuple(bad_events), missing, num_orphan_links
    )
