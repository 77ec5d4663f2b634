"""Labelled events -> a data set in the published format, for the published code to train on."""

from __future__ import annotations

import contextlib
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
from partflow.core.progress import progress, say_done
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Events
from partflow.core.store import num_events, num_row_groups, read_row_group, shards
from partflow.ingest.tfds.arrays import NUM_ARRAY_COLUMNS, PublishedEvent, from_events
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
"""Largest number of configurations, as in the published data sets."""
TRAIN_FRACTION = 0.9
VERSION = "2.5.0"
"""Version of the published data sets whose format is written."""
EVENTS_PER_FILE = 10_000
WRITER_OPTIONS = "group_size:1"  # every record in a group of its own, for random access
COLLECTIONS = ("elements", "targets", "baseline_targets", "gen_met", "gen_jets", "target_jets")
TRACK_FEATURE_NAMES = (
    "elemtype", "pt", "eta", "sin_phi", "cos_phi", "p", "chi2", "ndf", "dEdx", "dEdxError",
    "radiusOfInnermostHit", "tanLambda", "D0", "omega", "Z0", "time",
)  # fmt: skip
CLUSTER_FEATURE_NAMES = (
    "elemtype", "et", "eta", "sin_phi", "cos_phi", "energy", "position.x", "position.y",
    "position.z", "iTheta", "energy_ecal", "energy_hcal", "energy_other", "num_hits", "sigma_x",
    "sigma_y", "sigma_z",
)  # fmt: skip
TARGET_COLUMN_NAMES = (
    "PDG", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy", "ispu", "generatorStatus",
    "simulatorStatus", "gp_to_track", "gp_to_cluster", "jet_idx",
)  # fmt: skip


@dataclass(frozen=True)
class TfdsReport:
    """Numbers of events and configurations that were written."""

    num_written: dict[str, int]
    """Events by split."""
    num_without_candidate: int
    """Events left out because the baseline has no candidate in them, as the published builder
    does."""
    num_configs: int
    """Configurations, each with a part of the files."""

    def sentence(self) -> str:
        """The numbers in words."""
        written = ", ".join(f"{num:,} {split} events" for split, num in self.num_written.items())
        return (
            f"{written} in {self.num_configs} configuration(s); {self.num_without_candidate:,} "
            "events without a baseline candidate left out"
        )


class _WrittenSplit(NamedTuple):
    """One split of one configuration."""

    name: str
    num_bytes: int
    shard_lengths: tuple[int, ...]
    num_without_candidate: int


def export_tfds(
    labelled: Path, output: Path, name: str = "", overwrite: bool = False
) -> TfdsReport | None:
    """Write labelled events as the data set `name` below the folder `output`.

    No file has events in both train and test: these are the folders `train` and `test` of
    `labelled` if it has them, otherwise the last tenth of its shards is the test split. Each split
    is divided over up to NUM_CONFIGS configurations. Returns None where the output is finished
    already. Raises ConfigError where there are too few shards, SchemaError where the events lack
    a collection.
    """
    split_files = {split: files for split, files in _split_files(labelled).items() if files}
    name = name or f"clic_edm_{_process(next(chain.from_iterable(split_files.values())))}_pf"
    num_configs = min(NUM_CONFIGS, *(len(files) for files in split_files.values()))
    provenance = make_provenance("tfds", {"name": name, "version": VERSION}, inputs=[labelled])
    total = sum(num_events(f, "labelled") for f in chain.from_iterable(split_files.values()))
    written: list[_WrittenSplit] = []
    with growing_folder(output / name, provenance, overwrite) as folder:
        if folder is None:
            say_done(output / name)
            return None
        (folder / ".config").mkdir(exist_ok=True)
        write_text(folder / ".config" / "metadata.json", '{"default_config_name": "1"}')
        with progress("export", total) as advance:
            for number in range(num_configs):
                config = folder / str(number + 1) / VERSION
                config.mkdir(parents=True, exist_ok=True)
                splits = []
                for split, files in split_files.items():
                    part = [Path(f) for f in np.array_split(np.array(files), num_configs)[number]]
                    splits.append(_write_split(config, name, split, part))
                    advance(sum(num_events(file, "labelled") for file in part))
                _write_descriptions(config, name, str(number + 1), splits, provenance)
                written += splits
    return TfdsReport(
        {s: sum(sum(w.shard_lengths) for w in written if w.name == s) for s in split_files},
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
    """The process of the first event of a shard."""
    events = read_row_group(file, 0, "labelled", ["gen_met"])
    return str(events.process[0]) if len(events) else "unknown"


def _write_split(config: Path, name: str, split: str, files: Sequence[Path]) -> _WrittenSplit:
    """The events of `files` as numbered array_record files in the folder `config`."""
    expected = sum(num_events(file, "labelled") for file in files)
    num_shards = max(1, -(-expected // EVENTS_PER_FILE))
    records = _records(files)
    lengths, num_bytes, num_without_candidate = [], 0, 0
    for shard in range(num_shards):
        path = config / file_name(name, split, shard, num_shards)
        length = 0
        with _output_errors(path):
            writer = array_record_module.ArrayRecordWriter(str(path), WRITER_OPTIONS)
        for record in records:
            if record is None:
                num_without_candidate += 1
                continue
            with _output_errors(path):
                writer.write(record)
            num_bytes += len(record)
            length += 1
            if length == EVENTS_PER_FILE and shard < num_shards - 1:
                break
        with _output_errors(path):
            writer.close()
        lengths.append(length)
    return _WrittenSplit(split, num_bytes, tuple(lengths), num_without_candidate)


@contextlib.contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Turns errors of the array_record package, of any kind, into OutputError."""
    try:
        yield
    except Exception as error:
        raise OutputError(f"{path}: cannot be written ({str(error)[:120]})") from error


def _records(files: Sequence[Path]) -> Iterator[bytes | None]:
    """Serialized events; None for an event without a baseline candidate."""
    for file in files:
        for group in range(num_row_groups(file)):
            for event in from_events(_read(file, group)):
                yield serialize_example(_flat(event)) if np.any(event["ycand"]) else None


def _read(file: Path, group: int) -> Events:
    """A row group of labelled events with the collections that a data set needs."""
    try:
        return read_row_group(file, group, "labelled", COLLECTIONS)
    except SchemaError as error:
        raise SchemaError(
            f"{error} (the baseline's candidates on the elements are needed: `partflow label` "
            "writes them)"
        ) from error


def _flat(event: PublishedEvent) -> PublishedEvent:
    return {name: event[name].ravel() for name in NUM_ARRAY_COLUMNS}


def _write_descriptions(
    config: Path,
    name: str,
    config_name: str,
    splits: Sequence[_WrittenSplit],
    provenance: Provenance,
) -> None:
    """The three JSON files with which TFDS describes one version of a data set."""
    info = {
        "configName": config_name,
        "description": f"Events labelled by partflow {__version__}, for machine-learned particle "
        "flow.\n  - X: reconstructed tracks and clusters, variable number N per event\n"
        "  - ytarget: the particle that each should become, zero-padded to N per event\n"
        "  - ycand: baseline particle flow particles, zero-padded to N per event",
        "fileFormat": FILE_FORMAT,
        "moduleName": name,
        "name": name,
        "releaseNotes": {VERSION: f"partflow {__version__} {provenance.commit}".strip()},
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
        "x_features_track": TRACK_FEATURE_NAMES,
        "x_features_cluster": CLUSTER_FEATURE_NAMES,
        "y_features": TARGET_COLUMN_NAMES,
    }
    write_text(config / METADATA_FILE, json.dumps(names))


def _features() -> dict[str, Any]:
    """The types of the arrays, as TFDS describes them."""
    base = "tensorflow_datasets.core.features."
    features = {}
    for name, num_columns in sorted(NUM_ARRAY_COLUMNS.items()):
        is_scalar = name == "genmet"
        shape = {} if is_scalar else {"dimensions": ["-1", str(num_columns)]}
        features[name] = {
            "pythonClassName": base + ("scalar.Scalar" if is_scalar else "tensor_feature.Tensor"),
            "tensor": {"dtype": "float32", "encoding": "none", "shape": shape},
        }
    return {
        "featuresDict": {"features": features},
        "pythonClassName": base + "features_dict.FeaturesDict",
    }
