"""Labelled events -> a data set in the published format, for the published code to train on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from array_record.python import array_record_module

from partflow import __version__
from partflow.core.errors import ConfigError, OutputError, SchemaError
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Events
from partflow.core.store import num_events, num_row_groups, read_row_group, shards
from partflow.ingest.tfds.arrays import COLUMNS, PublishedEvent, from_events
from partflow.ingest.tfds.example import serialize_example
from partflow.ingest.tfds.folders import (
    FEATURES_FILE,
    FILE_FORMAT,
    INFO_FILE,
    METADATA_FILE,
    SPLITS,
    file_name,
)

NUM_CONFIGS = 10
TRAIN_FRACTION = 0.9
VERSION = "2.5.0"
EVENTS_PER_FILE = 10_000
WRITER_OPTIONS = "group_size:1"  # every record on its own: random access
CONTENT = ("elements", "targets", "baseline_targets", "gen_met", "gen_jets", "target_jets")
TRACK_NAMES = (
    "elemtype", "pt", "eta", "sin_phi", "cos_phi", "p", "chi2", "ndf", "dEdx", "dEdxError",
    "radiusOfInnermostHit", "tanLambda", "D0", "omega", "Z0", "time",
)  # fmt: skip
CLUSTER_NAMES = (
    "elemtype", "et", "eta", "sin_phi", "cos_phi", "energy", "position.x", "position.y",
    "position.z", "iTheta", "energy_ecal", "energy_hcal", "energy_other", "num_hits", "sigma_x",
    "sigma_y", "sigma_z",
)  # fmt: skip
TARGET_NAMES = (
    "PDG", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy", "ispu", "generatorStatus",
    "simulatorStatus", "gp_to_track", "gp_to_cluster", "jet_idx",
)  # fmt: skip


@dataclass(frozen=True)
class TfdsReport:
    """What was written."""

    num_written: dict[str, int]
    """Events by split."""
    num_without_candidate: int
    """Events left out because the baseline finds nothing in them, as the published builder does."""
    num_configs: int
    """Configurations, each with a part of the files."""


class _Written(NamedTuple):
    """One split of one configuration."""

    name: str
    num_bytes: int
    shard_lengths: tuple[int, ...]
    num_without_candidate: int


def export_tfds(
    labelled: Path, output: Path, name: str = "", overwrite: bool = False
) -> TfdsReport | None:
    """Write labelled events as the data set `name` below the folder `output`.

    Train and test are cut by file: the folders `train` and `test` of `labelled`, or the last
    tenth of its shards as test. The files of both are dealt to up to NUM_CONFIGS configurations.
    Returns None where the same work is finished already.
    Raises ConfigError where there are too few shards, SchemaError where the events lack something.
    """
    files = {split: files for split, files in _split_files(labelled).items() if files}
    name = name or f"clic_edm_{_process(next(chain.from_iterable(files.values())))}_pf"
    num_configs = min(NUM_CONFIGS, *(len(part) for part in files.values()))
    record = make_provenance("tfds", {"name": name, "version": VERSION}, inputs=[labelled])
    written: list[_Written] = []
    total = sum(num_events(f, "labelled") for f in chain.from_iterable(files.values()))
    with growing_folder(output / name, record, overwrite) as folder:
        if folder is None:
            console.print(
                f"{output / name}: finished already, nothing to do (--overwrite makes it again)"
            )
            return None
        (folder / ".config").mkdir(exist_ok=True)
        write_text(folder / ".config" / "metadata.json", '{"default_config_name": "1"}')
        with progress("export", total) as advance:
            for number in range(num_configs):
                config = folder / str(number + 1) / VERSION
                config.mkdir(parents=True, exist_ok=True)
                splits = []
                for split, part in files.items():
                    own = [str(f) for f in np.array_split(np.array(part), num_configs)[number]]
                    splits.append(_write_split(config, name, split, [Path(f) for f in own]))
                    advance(sum(num_events(Path(f), "labelled") for f in own))
                _write_descriptions(config, name, str(number + 1), splits, record)
                written += splits
    return TfdsReport(
        {split: sum(sum(w.shard_lengths) for w in written if w.name == split) for split in files},
        sum(w.num_without_candidate for w in written),
        num_configs,
    )


def _split_files(labelled: Path) -> dict[str, list[Path]]:
    """Shards of each split."""
    if all((labelled / split).is_dir() for split in SPLITS):
        return {split: shards(labelled / split, "labelled") for split in SPLITS}
    files = shards(labelled, "labelled")
    if len(files) < len(SPLITS):
        raise ConfigError(
            f"{labelled}: {len(files)} shard(s), but train and test are cut by file; "
            "label more events"
        )
    num_train = min(int(TRAIN_FRACTION * len(files)), len(files) - 1)
    num_train = max(num_train, 1)
    return {"train": files[:num_train], "test": files[num_train:]}


def _process(file: Path) -> str:
    events = read_row_group(file, 0, "labelled", ["gen_met"])
    return str(events.process[0]) if len(events) else "unknown"


def _write_split(config: Path, name: str, split: str, files: Sequence[Path]) -> _Written:
    """The events of `files` as numbered array_record files."""
    expected = sum(num_events(file, "labelled") for file in files)
    num_shards = max(1, -(-expected // EVENTS_PER_FILE))
    records = _records(files)
    lengths, num_bytes, without = [], 0, 0
    for shard in range(num_shards):
        path = config / file_name(name, split, shard, num_shards)
        size = 0
        writer = _open_writer(path)
        for record in records:
            if record is None:
                without += 1
                continue
            _call(path, lambda: writer.write(record))  # noqa: B023 (called at once)
            num_bytes += len(record)
            size += 1
            if size == EVENTS_PER_FILE and shard < num_shards - 1:
                break
        _call(path, writer.close)
        lengths.append(size)
    return _Written(split, num_bytes, tuple(lengths), without)


def _records(files: Sequence[Path]) -> Iterator[bytes | None]:
    """Serialized events; None for one in which the baseline finds nothing."""
    for file in files:
        for group in range(num_row_groups(file)):
            for event in from_events(_read(file, group)):
                yield serialize_example(_flat(event)) if np.any(event["ycand"]) else None


def _read(file: Path, group: int) -> Events:
    try:
        return read_row_group(file, group, "labelled", CONTENT)
    except SchemaError as error:
        raise SchemaError(
            f"{error} (the baseline's candidates on the elements are needed: `partflow label` "
            "writes them)"
        ) from error


def _flat(event: PublishedEvent) -> PublishedEvent:
    return {key: event[key].ravel() for key in COLUMNS}


def _open_writer(path: Path) -> Any:
    return _call(path, lambda: array_record_module.ArrayRecordWriter(str(path), WRITER_OPTIONS))


def _call(path: Path, function: Any) -> Any:
    try:
        return function()
    except Exception as error:  # the package raises RuntimeError for whatever fails
        raise OutputError(f"{path}: cannot be written ({str(error)[:120]})") from error


def _write_descriptions(
    config: Path, name: str, config_name: str, splits: Sequence[_Written], record: Provenance
) -> None:
    info = {
        "configName": config_name,
        "description": f"Events labelled by partflow {__version__}, for machine-learned particle "
        "flow.\n  - X: reconstructed tracks and clusters, variable number N per event\n"
        "  - ytarget: the particle that each should become, zero-padded to N per event\n"
        "  - ycand: baseline particle flow particles, zero-padded to N per event",
        "fileFormat": FILE_FORMAT,
        "moduleName": name,
        "name": name,
        "releaseNotes": {VERSION: f"partflow {__version__} {record.commit}".strip()},
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split.name,
                "numBytes": str(split.num_bytes),
                "shardLengths": [str(length) for length in split.shard_lengths],
            }
            for split in splits
        ],
        "version": VERSION,
    }
    write_text(config / INFO_FILE, json.dumps(info, indent=2))
    write_text(config / FEATURES_FILE, json.dumps(_features(), indent=4))
    names = {
        "x_features_track": TRACK_NAMES,
        "x_features_cluster": CLUSTER_NAMES,
        "y_features": TARGET_NAMES,
    }
    write_text(config / METADATA_FILE, json.dumps(names))


def _features() -> dict[str, Any]:
    base = "tensorflow_datasets.core.features."
    features = {}
    for key, num_columns in sorted(COLUMNS.items()):
        is_scalar = key == "genmet"
        shape = {} if is_scalar else {"dimensions": ["-1", str(num_columns)]}
        features[key] = {
            "pythonClassName": base + ("scalar.Scalar" if is_scalar else "tensor_feature.Tensor"),
            "tensor": {"dtype": "float32", "encoding": "none", "shape": shape},
        }
    return {
        "featuresDict": {"features": features},
        "pythonClassName": base + "features_dict.FeaturesDict",
    }
