"""The packed data sets in a folder that a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from partflow.core.errors import InputError
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packed_files import DESCRIPTION_FILE, PACKED
from partflow.ingest.tfds.folders import INFO_FILE

SPLIT = "train"
"""Split of a published data set that is trained on; its test split is for evaluations."""
_INGESTED = (SPLIT, f"*/{SPLIT}", f"*/*/{SPLIT}")
"""Where the output of `partflow ingest --format tfds` may be in a folder: itself, or one folder for
each configuration, or one for each data set with one for each configuration."""


def open_sources(folder: Path) -> list[tuple[Path, PackedDataset]]:
    """The data sets in `folder`, each with the folder that it is named after.

    `folder` may be the output of `partflow label`, a packed data set in it, a split that
    `partflow ingest --format tfds` has written, or a folder with the outputs of several such
    ingests, as OUTPUT/DATASET/CONFIG. Of these the train splits are opened.

    Raises InputError where there is none, with the command that makes one; otherwise as
    `PackedDataset.open`.
    """
    folder = Path(folder)
    if (folder / DESCRIPTION_FILE).is_file():
        name = folder.absolute().parent if folder.absolute().name == PACKED else folder
        return [(name, PackedDataset.open(folder))]
    if (folder / PACKED).is_dir():
        return [(folder, PackedDataset.open(folder / PACKED))]
    splits = sorted({path for pattern in _INGESTED for path in folder.glob(pattern)})
    splits = [path for path in splits if (path / PACKED / DESCRIPTION_FILE).is_file()]
    if not splits:
        raise InputError(_why_none(folder))
    return [(path.parent, PackedDataset.open(path / PACKED)) for path in splits]


def unique_names(folders: Sequence[Path]) -> list[str]:
    """The name of each folder, with as many of its parents as make it unique.

    A number alone, such as the name of a configuration, has its parent's name with it.

    >>> unique_names([Path("/a/ttbar"), Path("/a/qq"), Path("/b/qq"), Path("/tfds/ww/1")])
    ['ttbar', 'a/qq', 'b/qq', 'ww/1']
    """
    parts = [folder.resolve().parts for folder in folders]
    depth = [2 if of_folder[-1].isdigit() else 1 for of_folder in parts]
    while True:
        names = ["/".join(p[-d:]) for p, d in zip(parts, depth, strict=True)]
        shared = [i for i, name in enumerate(names) if names.count(name) > 1]
        if all(depth[i] >= len(parts[i]) for i in shared):
            return names
        for i in shared:
            depth[i] += 1


def _why_none(folder: Path) -> str:
    """Why `folder` holds no data set to train on, and the command that makes one."""
    if not folder.is_dir():
        return f"{folder}: no such folder; make it with `partflow label`"
    for depth in range(4):
        if next(folder.glob("*/" * depth + INFO_FILE), None) is not None:
            output = f"{folder.resolve().name}-labelled"
            return (
                f"{folder}: a published data set (TFDS) that is not ingested; run "
                f"`partflow ingest {folder} --format tfds --output {output}` and train on {output}"
            )
    for partial in (folder / f"{PACKED}.partial", folder.with_name(f"{folder.name}.partial")):
        if partial.exists():
            return f"{folder}: {partial} is unfinished; run its command again"
    return (
        f"{folder}: no packed data set ({PACKED}/{DESCRIPTION_FILE} is missing); make one with "
        "`partflow label`"
    )
