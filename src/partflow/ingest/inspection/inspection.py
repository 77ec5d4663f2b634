"""`inspect`: what a file or folder is."""

from __future__ import annotations

from pathlib import Path

from partflow.core.errors import InputError
from partflow.core.store import STAGES
from partflow.ingest.inspection.foreign import inspect_edm4hep, inspect_tfds
from partflow.ingest.inspection.outputs import inspect_folder, inspect_output, inspect_stage
from partflow.ingest.inspection.parts import EDM4HEP, TFDS, UNREADABLE, find_parts
from partflow.ingest.inspection.result import Inspection
from partflow.ingest.tfds.folders import INFO_FILE


def inspect(path: Path) -> Inspection:
    """What an output of partflow, an EDM4hep file or a published data set is, or a folder of these.

    Raises InputError where it is none of them, or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        hint = f"; {partial} is unfinished; run its command again" if partial.exists() else ""
        raise InputError(f"{path}: no such file or folder{hint}")
    if path.is_file():
        return _inspect_file(path)
    parts = find_parts(path)
    if not parts:
        raise InputError(f"{path}: neither an output of partflow nor EDM4hep nor a TFDS data set")
    if all(part.kind == UNREADABLE for part in parts):
        raise InputError(parts[0].error)
    if parts[0].path != path:
        return inspect_folder(path, parts)
    return _inspect_output_folder(path, parts[0].kind)


def _inspect_output_folder(path: Path, kind: str) -> Inspection:
    """A folder that is one output; `kind` is one of `parts.TITLES`, or another stage."""
    if kind == TFDS:
        return inspect_tfds(path)
    if kind == EDM4HEP:
        return inspect_edm4hep(path, sorted(path.rglob("*.root")))
    files = sorted(path.glob("*.parquet"))
    if kind in STAGES and files:
        return inspect_stage(path, files)
    if path.name.endswith(".partial"):
        raise InputError(f"{path}: unfinished; run its command again")
    return inspect_output(path, kind)


def _inspect_file(path: Path) -> Inspection:
    """A single file, by its suffix."""
    if path.suffix == ".parquet":
        return inspect_stage(path, [path])
    if path.suffix == ".root":
        return inspect_edm4hep(path, [path])
    if ".array_record" in path.name:
        raise InputError(f"{path}: one file of a data set; give the folder with its {INFO_FILE}")
    raise InputError(f"{path}: neither Parquet nor ROOT; partflow cannot read it")
