"""Files of other programs: EDM4hep files and published data sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from partflow.core.errors import InputError
from partflow.core.known_detectors import known_detector
from partflow.ingest.edm4hep.podio import PodioFile, open_podio
from partflow.ingest.edm4hep.reading.contents import contents_of
from partflow.ingest.edm4hep.reading.events import entry_ranges, read_chunk
from partflow.ingest.inspection.parts import EDM4HEP, TFDS, Part
from partflow.ingest.inspection.result import (
    SAMPLE_EVENTS,
    Inspection,
    class_numbers,
    mean_numbers,
)
from partflow.ingest.report import BadEvent
from partflow.ingest.tfds.folders import find_split_files
from partflow.ingest.tfds.reading import read_split_file

ASSUMED_DETECTOR = "clic"
"""Files do not name their detector. Nothing that is shown depends on it."""
MAX_NAMED = 5
"""Bad events that are named."""


def inspect_edm4hep(path: Path, files: list[Path]) -> Inspection:
    """EDM4hep files below `path`; objects and classes are those of the first that can be read."""
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
    return replace(
        first,
        path=path,
        num_events=num_events,
        num_files=len(files),
        warnings=(*first.warnings, *warnings),
        commands=Part(path, EDM4HEP).commands,
    )


def _inspect_podio(path: Path, podio: PodioFile) -> Inspection:
    """One EDM4hep file."""
    layout = "old (C#0)" if podio.is_old else "new (_C_member)"
    inspection = Inspection(path, f"EDM4hep, {layout} layout", podio.num_events, 1)
    details = {"collections": str(len(podio.collections))}
    warnings = [f"no {part.what}: {part.cost}" for part in contents_of(podio).missing]
    if podio.is_from_partflow:
        provenance = json.loads(podio.partflow_metadata).get("provenance")
        details["written by"] = "partflow"
        inspection = replace(inspection, provenance=provenance)
    ranges = entry_ranges(podio)
    if not ranges:
        return replace(inspection, details=details, warnings=(*warnings, "no events"))
    entries = ranges[0]._replace(stop=min(ranges[0].stop, ranges[0].start + SAMPLE_EVENTS))
    chunk = read_chunk(podio, entries, known_detector(ASSUMED_DETECTOR))
    warnings += _bad_event_warnings(chunk.bad_events, entries.num_events)
    return replace(
        inspection,
        objects=mean_numbers(chunk.events),
        classes=class_numbers(chunk.events),
        num_sampled=len(chunk.events),
        details=details,
        warnings=tuple(warnings),
    )


def inspect_tfds(path: Path) -> Inspection:
    """A published data set, a configuration or a version of one; the first file is sampled."""
    files = find_split_files(path)
    if not files:
        raise InputError(f"{path}: its description lists no files; is the data set complete?")
    details = {"data sets": ", ".join(sorted({file.dataset for file in files}))}
    details["configurations"] = ", ".join(sorted({file.config for file in files}))
    for split in dict.fromkeys(file.split for file in files):
        split_files = [file for file in files if file.split == split]
        number = sum(file.num_records for file in split_files)
        details[split] = f"{number:,} events in {len(split_files)} file(s)"
    chunk = next(read_split_file(files[0]))
    sample = chunk.events[:SAMPLE_EVENTS]
    return Inspection(
        path,
        "published data set (TFDS, array_record)",
        sum(file.num_records for file in files),
        len(files),
        mean_numbers(sample),
        class_numbers(sample),
        len(sample),
        details,
        warnings=(
            "missing momentum has no direction in a published data set",
            *_bad_event_warnings(chunk.bad_events, len(chunk.events) + len(chunk.bad_events)),
        ),
        commands=Part(path, TFDS).commands,
    )


def _bad_event_warnings(bad_events: tuple[BadEvent, ...], num_events: int) -> list[str]:
    """The first bad events of `num_events`, and how many more there are."""
    warnings = [f"event {bad.entry} will be left out: {bad.reason}"
                for bad in bad_events[:MAX_NAMED]]  # fmt: skip
    if len(bad_events) > MAX_NAMED:
        warnings.append(f"{len(bad_events) - MAX_NAMED} more of {num_events} likewise")
    return warnings
