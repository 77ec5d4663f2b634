"""Outputs of partflow: stages, other outputs, and folders of several outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.detector_file import DETECTOR, detector_from
from partflow.core.errors import ConfigError, InputError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.records import Events, concatenate_events
from partflow.core.store import num_row_groups, read_row_group
from partflow.ingest.inspection.parts import (
    Part,
    num_rows,
    provenance_of_folder,
    read_header,
)
from partflow.ingest.inspection.result import (
    SAMPLE_EVENTS,
    Inspection,
    class_numbers,
    mean_numbers,
)
from partflow.ingest.report import REPORT_FILE, IngestReport
from partflow.ingest.tfds.folders import SPLITS

Provenance = Mapping[str, Any]

EMPTY_COLLECTIONS = {
    "particles": "no truth: `label` and `evaluate` cannot work",
    "contributions": "no links from hits: `label` finds no target for a cluster",
    "hits": "no hits: perfect particle flow has tracks only, and nothing can be clustered",
    "tracks": "no tracks among the elements",
    "clusters": "no clusters among the elements",
    "baseline": "no baseline to compare with",
}
"""What is impossible where a collection of stage `events` is empty."""


def inspect_stage(path: Path, files: list[Path]) -> Inspection:
    """A stage: one Parquet file, or a folder whose shards are `files`."""
    header = read_header(files[0])
    if header is None:
        raise InputError(
            f"{files[0]}: a Parquet file, but not one of partflow's; "
            "give the output of a partflow command"
        )
    stage, provenance = str(header["stage"]), header.get("provenance")
    if not isinstance(provenance, dict):
        provenance = None
    sample = _first_events(files, stage)
    details = {}
    if provenance is not None:
        config = provenance.get("config", {})
        details = {k: str(v) for k, v in config.items() if v is not None}
    processes = sorted(set(sample.process.tolist()))
    if processes:
        details["processes"] = ", ".join(str(p) for p in processes)
    warnings = [] if provenance is not None else ["no provenance: unknown how it was made"]
    if stage == "events":
        warnings += _events_warnings(sample, provenance)
    if stage == "labelled":
        warnings += _labelled_warnings(sample, path, len(files))
    if len(sample) == 0:
        warnings.append("no events")
    return Inspection(
        path,
        f"partflow stage '{stage}'",
        sum(num_rows(file) for file in files),
        len(files),
        mean_numbers(sample),
        class_numbers(sample),
        len(sample),
        details,
        provenance,
        (*warnings, *_report_warnings(path)),
        Part(path, stage).commands,
    )


def inspect_output(path: Path, stage: str) -> Inspection:
    """An output without events: a model, a report or a validation."""
    provenance = provenance_of_folder(path)
    part = Part(path, stage)
    details = {"content": part.title} if part.title != stage else {}
    return Inspection(
        path,
        f"partflow {stage}",
        None,
        1,
        details=details,
        provenance=provenance,
        commands=part.commands,
    )


def inspect_folder(path: Path, parts: list[Part]) -> Inspection:
    """A folder that holds several outputs, such as that of `partflow demo`."""
    is_split = {part.path.name: part.kind for part in parts} == dict.fromkeys(SPLITS, "labelled")
    if is_split:
        kind = f"labelled events, split into {' and '.join(SPLITS)}"
        train, *_ = SPLITS
        commands = (
            *Part(path / train, "labelled").commands,
            f"partflow export-dataset {path} --format tfds",
        )
        num_events = sum(part.num_events or 0 for part in parts)
        return Inspection(path, kind, num_events, len(parts), parts=tuple(parts), commands=commands)
    number = f"{len(parts)} outputs" if len(parts) > 1 else "one output"
    return Inspection(
        path,
        f"folder with {number}",
        None,
        len(parts),
        warnings=tuple(part.error for part in parts if part.error),
        parts=tuple(parts),
    )


def _first_events(files: list[Path], stage: str) -> Events:
    """The first SAMPLE_EVENTS events, or all if there are fewer."""
    chunks: list[Events] = []
    for file in files:
        for group in range(num_row_groups(file)):
            chunks.append(read_row_group(file, group, stage))
            if sum(len(chunk) for chunk in chunks) >= SAMPLE_EVENTS:
                return concatenate_events(chunks)[:SAMPLE_EVENTS]
    return concatenate_events(chunks)


def _events_warnings(sample: Events, provenance: Provenance | None) -> list[str]:
    """What will not work with events of stage `events`."""
    warnings = [
        f"{name} is empty: {cost}"
        for name, cost in EMPTY_COLLECTIONS.items()
        if len(sample) and len(sample.collections[name]) == 0
    ]
    description = (provenance or {}).get("config", {}).get(DETECTOR, "")
    try:
        load_hadron_scale(detector_from(description, "detector"))
    except ConfigError as error:
        warnings.append(f"`evaluate` fails: {error}")
    return warnings


def _labelled_warnings(sample: Events, path: Path, num_files: int) -> list[str]:
    """What will not work with events of stage `labelled`."""
    warnings = []
    if len(sample) and not np.any(sample.targets.pdg_id):
        warnings.append("no element has a target: nothing can be learnt")
    if "baseline_targets" not in sample.collections:
        warnings.append("no baseline on the elements: `export-dataset --format tfds` fails")
    if num_files < len(SPLITS) and not _is_split(path):
        warnings.append(
            "one shard: `export-dataset --format tfds` needs two, as train and test are cut by file"
        )
    if len(sample) and not np.any(sample.gen_met.py):
        warnings.append("missing momentum without direction (a published data set has none)")
    return warnings


def _is_split(path: Path) -> bool:
    """Whether a folder is one of several splits, which `export-dataset` takes together."""
    return path.name in SPLITS and all((path.parent / split).is_dir() for split in SPLITS)


def _report_warnings(path: Path) -> list[str]:
    """Bad events and files that the ingestion skipped."""
    file = path / REPORT_FILE if path.is_dir() else path.with_name(REPORT_FILE)
    if not file.is_file():
        return []
    try:
        report = IngestReport.from_json(file.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError):
        return [f"{file.name} cannot be read"]
    num_left_out = sum(len(entry.left_out) for entry in report.files)
    warnings = [f"not ingested: {entry.error}" for entry in report.failed]
    if num_left_out:
        warnings.append(f"{num_left_out} events were left out; {file.name} says which and why")
    return warnings
