"""Outputs that appear complete or not at all.

A file is written under a temporary name in the same folder and then renamed. A folder is filled
as `NAME.partial` and renamed when its stage is finished; a stage that was interrupted continues in
that folder if its configuration and inputs are the same.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from partflow.core.errors import OutputError
from partflow.core.provenance import PROVENANCE_FILE, Provenance

LOCK_FILE = ".lock"
"""In a folder that one process writes alone (`only_writer`)."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` if the block ends without an error.

    Raises OutputError where the disk is full or `path` cannot be written.
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


class FileWriter:
    """Base of classes that write a file piece by piece in a `with` block.

    The file gets its name when the block ends without an error, and is deleted otherwise.
    Subclasses open it in `_open` and complete it in `_close`. Raises OutputError where it cannot be
    written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(f".{self.path.name}.partial")

    def _open(self, temporary: Path) -> None:
        """Open the file under its temporary name."""
        raise NotImplementedError

    def _close(self, is_complete: bool) -> None:
        """Close the file if it is open; `is_complete` is false after an error in the block."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open(self._temporary)
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise output_error(self.path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._close(is_complete=kind is None)
            if kind is None:
                self._temporary.replace(self.path)
        except OSError as failure:
            if kind is None:
                raise output_error(self.path, failure) from failure
        finally:
            self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Let no other process write into `folder` in a block like this one.

    The system releases the lock when the process ends, however it ends. Raises OutputError where
    another process is in such a block, or `folder` cannot be written.
    """
    with _locked_file(folder):
        try:
            yield
        finally:
            (folder / LOCK_FILE).unlink(missing_ok=True)


def _locked_file(folder: Path) -> IO[str]:
    """The lock file of `folder`, locked; raises OutputError where another process has it."""
    path = folder / LOCK_FILE
    while True:
        with contextlib.ExitStack() as stack:  # it closes the file, unless that is returned
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(path.open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another process may have removed this file, and a third locked its successor.
                if os.fstat(lock.fileno()).st_ino == path.stat().st_ino:
                    stack.pop_all()
                    return lock
            except BlockingIOError:
                raise OutputError(
                    f"{folder}: another process writes here; wait until it ends, or give another "
                    "--output"
                ) from None
            except FileNotFoundError:
                continue
            except OSError as error:
                raise output_error(folder, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all; raises OutputError where that fails."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def exists_error(path: Path) -> OutputError:
    """The error for an output that exists but was made with other settings."""
    return OutputError(
        f"{path}: exists, made with another configuration or other inputs; "
        "choose another --output or give --overwrite"
    )


def output_error(path: Path, error: OSError) -> OutputError:
    """The error for a write to `path` that failed."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"{path}: the disk is full; free some space and run the same again")
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); choose another --output")


@contextlib.contextmanager
def growing_folder(
    path: Path, provenance: Provenance, overwrite: bool = False
) -> Iterator[Path | None]:
    """The folder `NAME.partial` to fill, or None where `path` is already the finished output.

    It is renamed to `path` when the block ends. An interrupted block leaves it, with what is in it,
    to the next call with the same `provenance`. Raises OutputError where `path` is another output
    and `overwrite` is false, or where it cannot be written.
    """
    if path.is_dir() and _has_provenance(path, provenance) and not overwrite:
        yield None
        return
    if path.exists() and not overwrite:
        raise exists_error(path)
    partial = path.with_name(path.name + ".partial")
    try:
        if partial.exists() and (overwrite or not _has_provenance(partial, provenance)):
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
            shutil.rmtree(partial)  # there is nothing to continue with


def _has_provenance(folder: Path, provenance: Provenance) -> bool:
    file = folder / PROVENANCE_FILE
    return file.is_file() and file.read_text(encoding="utf-8") == provenance.to_json()
