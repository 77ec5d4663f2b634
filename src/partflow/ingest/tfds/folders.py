"""The folders of a TFDS data set: DATASET/CONFIG/VERSION with one set of files per split."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.errors import InputError

INFO_FILE, FEATURES_FILE, METADATA_FILE = "dataset_info.json", "features.json", "metadata.json"
SPLITS = ("train", "test")
FILE_FORMAT = "array_record"


class SplitFile(NamedTuple):
    """One array_record file of a data set."""

    path: Path
    dataset: str
    config: str
    split: str
    num_records: int
    """Records by the description of the data set; a truncated file has fewer."""

    @property
    def name(self) -> str:
        """Data set, configuration and file name, from which event ids are made."""
        return f"{self.dataset}/{self.config}/{self.path.name}"


def find_split_files(folder: Path) -> list[SplitFile]:
    """The array_record files of a data set, of one of its configurations, or of one version.

    Raises InputError where the folder is none of these, or where a description cannot be read.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; give a TFDS data set, as DATASET/CONFIG/VERSION"
        )
    versions = sorted(info.parent for info in folder.rglob(INFO_FILE))
    if not versions:
        raise InputError(
            f"{folder}: holds no {INFO_FILE}; give a TFDS data set, as DATASET/CONFIG/VERSION"
        )
    return [file for version in versions for file in _files_of_version(version)]


def read_description(folder: Path) -> dict[str, Any]:
    """The description of one version of a data set. Raises InputError where it cannot be read."""
    path = folder / INFO_FILE
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        file_format = info["fileFormat"]
        for split in info["splits"]:
            _ = str(split["name"]), [int(n) for n in split["shardLengths"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a TFDS description ({error!r})") from error
    if file_format != FILE_FORMAT:
        raise InputError(
            f"{path}: its files are of format {file_format}; only {FILE_FORMAT} can be read"
        )
    return dict(info)


def process_of_dataset(dataset: str) -> str:
    """The process that the name of a data set tells.

    >>> process_of_dataset("clic_edm_ww_fullhad_pf")
    'ww_fullhad'
    """
    match = re.fullmatch(r"[a-z]+_edm_(.+)_pf", dataset)
    return match[1] if match else dataset


def _files_of_version(folder: Path) -> list[SplitFile]:
    """The files that the description in `folder` lists."""
    info = read_description(folder)
    dataset, config = str(info.get("name", folder.name)), str(info.get("configName", ""))
    files = []
    for split in info["splits"]:
        lengths: Sequence[str] = split["shardLengths"]
        for shard, length in enumerate(lengths):
            name = file_name(dataset, split["name"], shard, len(lengths))
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder / name}: no such file, though {INFO_FILE} lists it; "
                    "is the data set complete?"
                )
            files.append(SplitFile(folder / name, dataset, config, split["name"], int(length)))
    return files


def file_name(dataset: str, split: str, shard: int, num_shards: int) -> str:
    """Name of a file of a split, by the convention of TFDS."""
    return f"{dataset}-{split}.{FILE_FORMAT}-{shard:05d}-of-{num_shards:05d}"
