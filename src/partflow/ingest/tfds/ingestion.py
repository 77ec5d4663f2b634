"""Published data sets -> folders of stage `labelled`, one for each split."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from partflow.core.detector import Detector
from partflow.core.detector_file import DETECTOR, describe, find_detector
from partflow.core.errors import OutputError, PartflowError
from partflow.core.executors import Executor, LocalExecutor
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import progress, say, say_done
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.store import EventWriter
from partflow.ingest.report import (
    REPORT_FILE,
    REPORTS_FOLDER,
    BadEvent,
    FileReport,
    IngestReport,
    store_report,
    stored_report,
)
from partflow.ingest.tfds.folders import SplitFile, find_split_files
from partflow.ingest.tfds.reading import read_split_file


class IngestedSplits(NamedTuple):
    """The output of `ingest_tfds`."""

    folders: dict[str, Path]
    """Folder of each split, of stage `labelled`."""
    report: IngestReport
    """Of all files. The caller decides when to call `raise_if_failed`."""


def ingest_tfds(
    inputs: Sequence[Path],
    output: Path,
    detector_name: str = "clic",
    workers: int = 1,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> IngestedSplits:
    """Read data sets into one folder for each split below `output`.

    `inputs` are data sets, configurations or versions of them, all of one detector. The data do
    not name it: `detector_name` is that of a known detector, or of a JSON file. The files are
    tasks of `executor`; without one they are read by `workers` processes. Bad records and files
    that cannot be read are skipped and listed in the report of the split. Raises InputError where
    no file of a split can be read.
    """
    executor = executor or LocalExecutor(workers)
    detector = find_detector(detector_name)
    files = [file for folder in inputs for file in find_split_files(folder)]
    folders: dict[str, Path] = {}
    reports: list[IngestReport] = []
    for split in dict.fromkeys(file.split for file in files):
        folders[split] = output / split
        split_files = [file for file in files if file.split == split]
        reports.append(
            _ingest_split(split, split_files, folders[split], detector, executor, overwrite)
        )
    joined = IngestReport(tuple(file for report in reports for file in report.files))
    return IngestedSplits(folders, joined)


def _ingest_split(
    split: str,
    files: Sequence[SplitFile],
    output: Path,
    detector: Detector,
    executor: Executor,
    overwrite: bool,
) -> IngestReport:
    """The files of one split -> the folder `output`, one shard for each file."""
    settings = {"definition": "as published", "split": split, DETECTOR: describe(detector)}
    provenance = replace(
        make_provenance("labelled", settings),
        inputs={file.name: fingerprint(file.path) for file in files},
    )
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say_done(output)
            return IngestReport.from_json((output / REPORT_FILE).read_text(encoding="utf-8"))
        work = partial(_ingest_file, folder=folder, provenance=provenance)
        reports: dict[int, FileReport] = {}
        with progress(f"ingest {split}", len(files), "files") as advance:
            for number, file_report in executor.map_tasks(work, list(enumerate(files))):
                reports[number] = file_report
                advance(1)
        report = IngestReport(tuple(reports[number] for number in sorted(reports)))
        if len(report.failed) == len(files):
            report.raise_if_failed(str(output))
        write_text(folder / REPORT_FILE, report.to_json())
        shutil.rmtree(folder / REPORTS_FOLDER, ignore_errors=True)
    for line in report.lines():
        say(f"{split}: {line}")
    return report


def _ingest_file(
    number: int, file: SplitFile, folder: Path, provenance: Provenance
) -> tuple[int, FileReport]:
    """One file -> one shard in `folder`; returns its number and its report."""
    shard = folder / f"labelled-{number:05d}.parquet"
    finished = stored_report(folder, number)
    if finished is not None and shard.exists():  # an interrupted run made it
        return number, finished
    bad_events: list[BadEvent] = []
    try:
        with EventWriter(shard, "labelled", provenance, ["baseline_targets"]) as writer:
            for chunk in read_split_file(file):
                writer.write(chunk.events)
                bad_events += chunk.bad_events
    except OutputError:
        raise  # such as a full disk: the file is not to blame
    except PartflowError as error:
        return number, FileReport(file.name, error=str(error))
    num_events = writer.num_events + len(bad_events)
    if num_events and not writer.num_events:
        shard.unlink()
        reason = f"{file.path}: none of its {num_events} records is an event"
        return number, FileReport(file.name, num_events, error=reason)
    report = FileReport(file.name, num_events, writer.num_events, tuple(bad_events))
    store_report(folder, number, report)
    return number, report
