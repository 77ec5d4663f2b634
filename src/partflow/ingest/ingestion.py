"""Many EDM4hep files -> one folder of stage `events`, and a report of what was left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from partflow.core.detector import Detector
from partflow.core.detector_file import describe, find_detector
from partflow.core.errors import OutputError, PartflowError
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.store import FULL_SIMULATION, EventWriter
from partflow.core.workers import in_processes
from partflow.ingest.edm4hep.contents import contents_of
from partflow.ingest.edm4hep.podio import brief, open_podio
from partflow.ingest.edm4hep.reading import entry_ranges, read_chunk
from partflow.ingest.files import find_files, short_names
from partflow.ingest.report import REPORT_FILE, FileReport, IngestReport, Lack, LeftOut

WORK_FOLDER = ".reports"
"""Reports of finished files while the output grows: a restart needs them."""


def ingest(
    inputs: Sequence[Path],
    output: Path,
    detector_name: str = "clic",
    workers: int = 1,
    process: str | None = None,
    overwrite: bool = False,
) -> IngestReport:
    """Read EDM4hep files, one shard of the folder `output` for each.

    `inputs` are files, folders of *.root, and patterns; `process` says what the events are (the
    file's name without its number, if not given). A bad event is left out, and a file that cannot
    be read costs only itself; both are named in the report.
    Raises InputError after the rest is written where files could not be read.
    """
    files = find_files(inputs)
    names = short_names(files)
    detector = find_detector(detector_name)
    record = replace(
        make_provenance("events", {"detector": describe(detector), "process": process}),
        inputs={name: fingerprint(file) for name, file in zip(names, files, strict=True)},
    )
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            console.print(f"{output}: finished already, nothing to do (--overwrite makes it again)")
            report = IngestReport.from_json((output / REPORT_FILE).read_text(encoding="utf-8"))
        else:
            work = partial(
                ingest_file, folder=folder, detector=detector, process=process, record=record
            )
            tasks = [(number, *pair) for number, pair in enumerate(zip(files, names, strict=True))]
            reports: dict[int, FileReport] = {}
            with progress("ingest", len(tasks), "files") as advance:
                for number, file_report in in_processes(work, tasks, workers):
                    reports[number] = file_report
                    advance(1)
            report = IngestReport(tuple(reports[number] for number in sorted(reports)))
            if len(report.failed) == len(files):
                report.raise_if_failed(str(output))
            write_text(folder / REPORT_FILE, report.to_json())
            shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)
    for line in report.lines():
        console.print(line, markup=False)
    report.raise_if_failed(str(output))
    return report


def ingest_file(
    number: int,
    file: Path,
    name: str,
    folder: Path,
    detector: Detector,
    process: str | None,
    record: Provenance,
) -> tuple[int, FileReport]:
    """One file -> one shard in `folder`; returns its number and what became of it.

    Nothing is left of a file that cannot be read to its end.
    """
    shard = folder / f"events-{number:05d}.parquet"
    note = folder / WORK_FOLDER / f"{number:05d}.json"
    if note.exists() and shard.exists():  # an earlier, interrupted run made it
        return number, FileReport.from_dict(json.loads(note.read_text(encoding="utf-8")))
    try:
        report = _write_shard(file, name, shard, detector, process, record)
    except OutputError:
        raise  # a full disk is no fault of the file
    except PartflowError as error:
        return number, FileReport(name, error=str(error))
    except Exception as error:
        # Damaged bytes may be values that no check foresaw: they must not cost the other files.
        return number, FileReport(name, error=f"{file}: cannot be ingested ({brief(error)})")
    write_text(note, json.dumps(asdict(report)))
    return number, report


def _write_shard(
    file: Path, name: str, shard: Path, detector: Detector, process: str | None, record: Provenance
) -> FileReport:
    left_out: list[LeftOut] = []
    num_orphans = 0
    with open_podio(file, name) as podio:
        missing = tuple(Lack(*lack) for lack in contents_of(podio).missing)
        with EventWriter(shard, "events", record, FULL_SIMULATION) as writer:
            for entries in entry_ranges(podio):
                chunk = read_chunk(podio, entries, detector, process)
                writer.write(chunk.events)
                left_out += [LeftOut(*bad) for bad in chunk.bad_events]
                num_orphans += chunk.num_orphan_links
    return FileReport(
        name, podio.num_events, writer.num_events, tuple(left_out), missing, num_orphans
    )
