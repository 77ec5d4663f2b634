"""Outputs that appear whole or not at all.

A file is written under a temporary name beside its place and renamed; a folder grows as
`NAME.partial` and is renamed when its stage is finished. A folder that was cut short is
taken up where it stopped, if it was begun with the same configuration and inputs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from partflow.core.errors import OutputError
from partflow.core.provenance import PROVENANCE_FILE, Provenance


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write; it becomes `path` if the block ends without an error.

    Raises OutputError where the disk is full or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def exists_error(path: Path) -> OutputError:
    """The one-line error for an output that is there already and is something else."""
    return OutputError(
        f"{path}: exists, made with another configuration or other inputs; "
        "choose another --output or give --overwrite"
    )


def output_error(path: Path, error: OSError) -> OutputError:
    """The one-line error for a write to `path` that failed."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"{path}: the disk is full; free some space and run the same again")
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); choose another --output")


@contextlib.contextmanager
def growing_folder(
    path: Path, provenance: Provenance, overwrite: bool = False
) -> Iterator[Path | None]:
    """The folder to fill for `path`, or None where the same work is finished already.

    Raises OutputError where `path` holds something else and `overwrite` is false.
    """
    if finished(path, provenance) and not overwrite:
        yield None
        return
    if path.exists() and not overwrite:
        raise exists_error(path)
    partial = path.with_name(path.name + ".partial")
    try:
        if partial.exists() and (overwrite or not _same_work(partial, provenance)):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        write_text(partial / PROVENANCE_FILE, provenance.to_json())
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        os.replace(partial, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if partial.is_dir() and [entry.name for entry in partial.iterdir()] == [PROVENANCE_FILE]:
            shutil.rmtree(partial)  # nothing was done that could be taken up


def finished(path: Path, provenance: Provenance) -> bool:
    """Whether `path` is the finished folder of exactly this work."""
    return path.is_dir() and _same_work(path, provenance)


def _same_work(folder: Path, provenance: Provenance) -> bool:
    record = folder / PROVENANCE_FILE
    return record.is_file() and record.read_text(encoding="utf-8") == provenance.to_json()
