"""What a file or folder is, and what will not work with it: the first questions of a user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from partflow.core.errors import ConfigError, InputError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.known_detectors import known_detector
from partflow.core.particles import CLASS_NAMES, classes
from partflow.core.provenance import PROVENANCE_FILE
from partflow.core.records import Array, Collection, Events, concatenate_events
from partflow.core.store import METADATA_KEY, num_row_groups, read_row_group
from partflow.ingest.edm4hep.contents import contents_of
from partflow.ingest.edm4hep.podio import PodioFile, open_podio
from partflow.ingest.edm4hep.reading import entry_ranges, read_chunk
from partflow.ingest.report import REPORT_FILE, IngestReport
from partflow.ingest.tfds.folders import INFO_FILE, find_split_files
from partflow.ingest.tfds.reading import read_split_file

SAMPLE_EVENTS = 200
"""Events that are read to count objects; the number of events itself is that of the whole."""
GUESSED_DETECTOR = "clic"
"""Only for counting: nothing that depends on it is shown."""


@dataclass(frozen=True)
class Inspection:
    """What there is to say of a file or folder."""

    path: Path
    kind: str
    """Stage of ours, layout of EDM4hep, or published data set."""
    num_events: int | None
    """Of the whole; None where it is no collection of events."""
    num_files: int
    objects: Mapping[str, float] = field(default_factory=dict)
    """Mean number of each collection's objects in an event."""
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Numbers of each class of particle, by what they are."""
    num_sampled: int = 0
    """Events that objects and classes were counted in."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Further facts, by name."""
    provenance: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    """What will not work later, and why."""


def inspect(path: Path) -> Inspection:
    """Look at an output of ours, an EDM4hep file, or a published data set; or a folder of these.

    Raises InputError where it is none of them, or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        hint = f"{partial} is unfinished; run its command again" if partial.exists() else ""
        raise InputError(f"{path}: no such file or folder; {hint}".rstrip("; "))
    if path.is_file():
        return _inspect_file(path)
    parquet, roots = sorted(path.glob("*.parquet")), sorted(path.rglob("*.root"))
    if parquet and not roots:
        return _inspect_stage(path, parquet)
    if next(path.rglob(INFO_FILE), None) is not None:
        return _inspect_tfds(path)
    if roots:
        return _inspect_edm4hep(path, roots)
    if (path / PROVENANCE_FILE).is_file():
        record = _provenance_of(path)
        return Inspection(path, f"partflow {record.get('stage', 'output')}", None, 1,
                          provenance=record)  # fmt: skip
    if path.name.endswith(".partial"):
        raise InputError(f"{path}: unfinished; run its command again")
    raise InputError(f"{path}: neither an output of partflow nor EDM4hep nor a TFDS data set")


def _inspect_file(path: Path) -> Inspection:
    if path.suffix == ".parquet":
        return _inspect_stage(path, [path])
    if path.suffix == ".root":
        return _inspect_edm4hep(path, [path])
    if ".array_record" in path.name:
        raise InputError(f"{path}: one file of a data set; give the folder with its {INFO_FILE}")
    raise InputError(f"{path}: neither Parquet nor ROOT; partflow cannot read it")


# --- outputs of ours ----------------------------------------------------------------------


def _inspect_stage(path: Path, files: list[Path]) -> Inspection:
    header = _header(files[0])
    stage = str(header["stage"])
    num_events = sum(int(pq.read_metadata(file).num_rows) for file in files)
    sample = _sample(files, stage)
    record = header.get("provenance")
    warnings = [*_stage_warnings(stage, sample, record, len(files)), *_report_warnings(path)]
    details = {}
    if isinstance(record, dict):
        details = {k: str(v) for k, v in record.get("config", {}).items() if v is not None}
    processes = sorted(set(sample.process.tolist()))
    if processes:
        details["processes"] = ", ".join(str(p) for p in processes)
    return Inspection(
        path,
        f"partflow stage '{stage}'",
        num_events,
        len(files),
        _objects(sample),
        _classes(sample),
        len(sample),
        details,
        record if isinstance(record, dict) else None,
        tuple(warnings),
    )


def _header(file: Path) -> dict[str, Any]:
    try:
        metadata = pq.read_schema(file).metadata or {}
        if METADATA_KEY in metadata:
            return dict(json.loads(metadata[METADATA_KEY]))
    except Exception as error:  # whatever damaged bytes lead to
        raise InputError(f"{file}: not a Parquet file that can be read ({error})") from error
    raise InputError(f"{file}: a Parquet file, but not one of partflow's")


def _sample(files: list[Path], stage: str) -> Events:
    """The first events, read until there are enough."""
    runs: list[Events] = []
    for file in files:
        for group in range(num_row_groups(file)):
            runs.append(read_row_group(file, group, stage))
            if sum(len(run) for run in runs) >= SAMPLE_EVENTS:
                return concatenate_events(runs)[:SAMPLE_EVENTS]
    return concatenate_events(runs)


def _stage_warnings(stage: str, sample: Events, record: Any, num_files: int) -> list[str]:
    warnings = []
    if not isinstance(record, dict):
        warnings.append("no provenance: nobody can tell how it was made")
    if stage == "events":
        warnings += _events_warnings(sample, record)
    if stage == "labelled":
        if len(sample) and not np.any(sample.targets.pdg_id):
            warnings.append("no element has a target: nothing can be learnt")
        if "baseline_targets" not in sample.collections:
            warnings.append("no baseline on the elements: `export-dataset --format tfds` fails")
        if num_files < 2:
            warnings.append(
                "one shard: `export-dataset --format tfds` needs two, as train and test "
                "are cut by file"
            )
        if len(sample) and not np.any(sample.gen_met.py):
            warnings.append("missing momentum without direction (a published data set has none)")
    if len(sample) == 0:
        warnings.append("no events")
    return warnings


def _events_warnings(sample: Events, record: Any) -> list[str]:
    costs = {
        "particles": "no truth: `label` and `evaluate` have nothing to go by",
        "contributions": "no links from hits: `label` finds no target for a cluster",
        "hits": "no hits: perfect particle flow sees tracks only, and nothing can be clustered",
        "tracks": "no tracks among the elements",
        "clusters": "no clusters among the elements",
        "baseline": "no baseline to compare with",
    }
    warnings = [f"{name} is empty: {cost}" for name, cost in costs.items()
                if len(sample) and len(sample.collections[name]) == 0]  # fmt: skip
    name = record.get("config", {}).get("detector", "") if isinstance(record, dict) else ""
    try:
        load_hadron_scale(known_detector(str(name)))
    except ConfigError as error:
        warnings.append(f"`evaluate` fails: {error}")
    return warnings


def _report_warnings(path: Path) -> list[str]:
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


def _provenance_of(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder / PROVENANCE_FILE}: cannot be read ({error})") from error


# --- files of others ----------------------------------------------------------------------


def _inspect_edm4hep(path: Path, files: list[Path]) -> Inspection:
    num_events, warnings = 0, []
    first: Inspection | None = None
    for file in files:
        try:
            with open_podio(file) as podio:
                num_events += podio.num_events
                if first is None:
                    first = _inspect_podio(file, podio)
        except InputError as error:
            if len(files) == 1:
                raise
            warnings.append(str(error))
    if first is None:
        raise InputError(f"{path}: none of {len(files)} ROOT files can be read; {warnings[0]}")
    return Inspection(
        path,
        first.kind,
        num_events,
        len(files),
        first.objects,
        first.classes,
        first.num_sampled,
        first.details,
        first.provenance,
        (*first.warnings, *warnings),
    )


def _inspect_podio(path: Path, podio: PodioFile) -> Inspection:
    layout = "old (C#0)" if podio.is_old else "new (_C_member)"
    contents = contents_of(podio)
    warnings = [f"no {lack.what}: {lack.cost}" for lack in contents.missing]
    details = {"collections": str(len(podio.collections))}
    sample, num_sampled = None, 0
    ranges = entry_ranges(podio)
    if ranges:
        entries = ranges[0]._replace(stop=min(ranges[0].stop, ranges[0].start + SAMPLE_EVENTS))
        chunk = read_chunk(podio, entries, known_detector(GUESSED_DETECTOR))
        sample, num_sampled = chunk.events, len(chunk.events)
        warnings += [
            f"event {bad.entry} will be left out: {bad.reason}" for bad in chunk.bad_events[:5]
        ]
        if len(chunk.bad_events) > 5:
            warnings.append(f"{len(chunk.bad_events) - 5} more of {entries.num_events} likewise")
    else:
        warnings.append("no events")
    provenance = None
    if podio.made_by_partflow:
        provenance = json.loads(podio.made_by_partflow).get("provenance")
        details["written by"] = "partflow"
    return Inspection(
        path,
        f"EDM4hep, {layout} layout",
        podio.num_events,
        1,
        {} if sample is None else _objects(sample),
        {} if sample is None else _classes(sample),
        num_sampled,
        details,
        provenance,
        tuple(warnings),
    )


def _inspect_tfds(path: Path) -> Inspection:
    files = find_split_files(path)
    details = {"data sets": ", ".join(sorted({file.dataset for file in files}))}
    details["configurations"] = ", ".join(sorted({file.config for file in files}))
    for split in dict.fromkeys(file.split for file in files):
        of_split = [file for file in files if file.split == split]
        number = sum(file.num_records for file in of_split)
        details[split] = f"{number:,} events in {len(of_split)} file(s)"
    warnings = ["missing momentum has no direction in a published data set"]
    sample = None
    for chunk in read_split_file(files[0]):
        sample = chunk.events[:SAMPLE_EVENTS]
        warnings += [f"record {place} will be left out: {why}" for place, why in chunk.bad_records]
        break
    return Inspection(
        path,
        "published data set (TFDS, array_record)",
        sum(file.num_records for file in files),
        len(files),
        {} if sample is None else _objects(sample),
        {} if sample is None else _classes(sample),
        0 if sample is None else len(sample),
        details,
        None,
        tuple(warnings),
    )


# --- counting -----------------------------------------------------------------------------


def _objects(events: Events) -> dict[str, float]:
    num = max(len(events), 1)
    return {name: len(collection) / num for name, collection in events.collections.items()}


def _classes(events: Events) -> dict[str, dict[str, int]]:
    """Numbers of each class among targets, candidates and generator particles."""
    found = {}
    for name, collection in events.collections.items():
        if "pdg_id" not in collection.schema.names:
            continue
        pdg_class = _class_of(name, collection)
        found[name] = {
            label: int(np.sum(pdg_class == number))
            for number, label in {0: "none", **CLASS_NAMES}.items()
            if number or np.any(pdg_class == 0)
        }
    return found


def _class_of(name: str, collection: Collection) -> Array:
    if name == "particles":
        return classes(collection.pdg_id, collection.charge)
    return collection.pdg_id
