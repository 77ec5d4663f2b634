"""Stages `push` and `pull`: a model folder to and from a repository of the Hugging Face hub.

A repository holds the files of the model, its card with pictures, and `checksums.json`, which has
the SHA-256 of each. `pull` trusts nothing else: it takes the files named there, if their names are
those of a model folder, and keeps them only if the hashes agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from partflow.core.errors import ConfigError, InputError, OutputError, SchemaError
from partflow.core.origins import is_plain_name
from partflow.core.outputs import output_error
from partflow.core.progress import progress
from partflow.core.provenance import CARD_FILE, CARD_PICTURE, CHECKSUMS_FILE
from partflow.pipeline import hub_client
from partflow.pipeline.card import card

CHECKSUMS_FORMAT = "partflow-checksums-1"
NEEDED = ("config.json", "model.safetensors")
"""Files without which a folder is no model."""
LIMITS = {
    "config.json": 1_000_000,
    "model.safetensors": 20_000_000_000,
    "threshold.json": 1_000_000,
    CARD_FILE: 5_000_000,
}
"""Files of a model, and the largest accepted size of each [byte]."""
PICTURE_LIMIT = 5_000_000
"""Largest accepted size of a picture [byte]."""
CHECKSUMS_LIMIT = 100_000
"""Largest accepted size of `checksums.json` [byte]."""
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill")
"""Ends of the names of files that may hold pickles, which execute code when they are read."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Upload(NamedTuple):
    """A file that `push` uploads."""

    name: str
    size: int
    """[byte]"""
    sha256: str


class Pushed(NamedTuple):
    """What `push` has done."""

    address: str
    """Address of the commit."""
    sha256: str
    """SHA-256 of `checksums.json`, with which `pull` accepts this upload alone."""


def push(
    run: Path,
    repository: str,
    private: bool = False,
    revision: str | None = None,
    confirm: Callable[[Sequence[Upload]], bool] = lambda uploads: True,
) -> Pushed | None:
    """Upload a model folder with its card; the card is written first if there is none.

    Args:
        run: Folder of a training, or any other model folder.
        repository: Repository, USER/NAME; it is made if it does not exist.
        private: Whether only its owners may see it.
        revision: Branch; `main` if None.
        confirm: Called with what would be uploaded; nothing is, if it returns False.

    Returns:
        What was done; None if `confirm` returned False.

    Raises:
        InputError: There is no such model, or the hub cannot be reached.
        OutputError: The hub refuses.
        ConfigError: The library is not installed, or `repository` is no such name.
    """
    hub_client.require_hub("push")
    _check_repository(repository)
    _check_model(run)
    if not (run / CARD_FILE).is_file():
        card(run, repository=repository)
    uploads = [Upload(name, (run / name).stat().st_size, _sha256(run / name))
               for name in _model_files(run)]  # fmt: skip
    checksums = checksums_json({upload.name: upload.sha256 for upload in uploads}).encode()
    digest = hashlib.sha256(checksums).hexdigest()
    if not confirm([*uploads, Upload(CHECKSUMS_FILE, len(checksums), digest)]):
        return None
    present = hub_client.find_revision(repository, revision)
    if present is None and revision is not None:  # the branch would begin as the main one is
        present = hub_client.find_revision(repository, None)
    if present is not None:
        _check_remote_names(repository, present.sizes)
    files: dict[str, Path | bytes] = {upload.name: run / upload.name for upload in uploads}
    files[CHECKSUMS_FILE] = checksums
    message = "Model, card and checksums by partflow push"
    address = hub_client.upload(repository, files, message, private, revision)
    return Pushed(address, digest)


def pull(
    repository: str,
    output: Path,
    revision: str | None = None,
    sha256: str | None = None,
    overwrite: bool = False,
) -> None:
    """Download a model folder that `push` has uploaded, and verify each file.

    Args:
        repository: Repository, USER/NAME.
        output: Folder to write, complete or not at all.
        revision: Branch, tag or commit; `main` if None.
        sha256: SHA-256 that `checksums.json`, or the weights, must have.
        overwrite: Replace a model that was pulled before.

    Raises:
        InputError: There is no such repository, the hub cannot be reached, or a file is missing,
            too large or not what `checksums.json` says.
        SchemaError: The repository is none of `partflow push`, or holds pickles.
        OutputError: The folder exists, or cannot be written.
        ConfigError: The library is not installed, or an argument is impossible.
    """
    hub_client.require_hub("pull")
    _check_repository(repository)
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise ConfigError(f"--sha256 {sha256}: give 64 hexadecimal digits, as `push` prints them")
    _check_output(output, overwrite)
    found = hub_client.find_revision(repository, revision)
    if found is None:
        where = repository if revision is None else f"{repository}, revision {revision}"
        raise InputError(
            f"{where}: not found on {hub_client.endpoint()}, or not to be seen; check the name, or "
            "log in with `hf auth login`"
        )
    _check_remote_names(repository, found.sizes)
    text = _small_file(repository, found, CHECKSUMS_FILE, CHECKSUMS_LIMIT)
    hashes = read_checksums(text, f"{repository}, {CHECKSUMS_FILE}")
    expected = None if sha256 is None else sha256.lower()
    if expected not in (None, hashlib.sha256(text).hexdigest(), hashes["model.safetensors"]):
        raise InputError(
            f"{repository}: neither {CHECKSUMS_FILE} nor the weights have the SHA-256 {expected}; "
            "this is another version of the model, or another model"
        )
    with _appearing_folder(output, overwrite) as folder:
        _write(folder / CHECKSUMS_FILE, [text])
        total = sum(found.sizes.get(name) or 0 for name in hashes)
        with progress("pull", total, "bytes") as advance:
            for name, digest in hashes.items():
                _download(repository, found, name, digest, folder, advance)
        _check_model(folder)


def checksums_json(hashes: Mapping[str, str]) -> str:
    """The content of `checksums.json` for the SHA-256 of each file, by name."""
    content = {"format": CHECKSUMS_FORMAT, "files": dict(sorted(hashes.items()))}
    return json.dumps(content, indent=1) + "\n"


def read_checksums(text: bytes, where: str) -> dict[str, str]:
    """The SHA-256 of each file of a model, by name, from `checksums.json`.

    Raises SchemaError, beginning with `where`, for anything but the files of a model folder.
    """
    try:
        content = json.loads(text)
        known_format, files = content["format"] == CHECKSUMS_FORMAT, content["files"]
        pairs = [(str(name), str(digest)) for name, digest in files.items()]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SchemaError(f"{where}: no list of checksums of `partflow push`") from error
    if not known_format:
        raise SchemaError(f"{where}: of another version; use the newest partflow")
    for name, digest in pairs:
        if not is_plain_name(name):
            raise SchemaError(f"{where}: {name!r} is not the plain name of a file; refused")
        if not (name in LIMITS or CARD_PICTURE.fullmatch(name)):
            raise SchemaError(f"{where}: {name!r} is no file of a model folder; refused")
        if not _SHA256.fullmatch(digest):
            raise SchemaError(f"{where}: {digest!r} is no SHA-256; refused")
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise SchemaError(f"{where}: {' and '.join(missing)} missing, so it is no model")
    return dict(pairs)


def _model_files(run: Path) -> list[str]:
    """Names of the files of a model folder that are uploaded: nothing of its training."""
    pictures = (path.name for path in run.iterdir() if CARD_PICTURE.fullmatch(path.name))
    names = [*LIMITS, *sorted(pictures)]
    return [name for name in names if (run / name).is_file()]


def _check_model(folder: Path) -> None:
    """Raise InputError unless `folder` holds the configuration and the weights of a network."""
    from safetensors import SafetensorError, safe_open

    from partflow.model.folder import load_config

    load_config(folder)
    weights = folder / "model.safetensors"
    try:
        with safe_open(weights, framework="numpy") as opened:
            opened.keys()
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: no safetensors ({error}); train or pull again") from error


def _check_repository(repository: str) -> None:
    """Raise ConfigError unless `repository` has the form USER/NAME."""
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(f"{repository!r} is no repository; give USER/NAME")


def _check_output(output: Path, overwrite: bool) -> None:
    """Raise OutputError where `output` exists, unless it is a model folder to be replaced."""
    if not (output.exists() or output.is_symlink()):
        return
    if not overwrite:
        raise OutputError(f"{output}: exists; give another --output, or --overwrite")
    if output.is_symlink() or not (output / CHECKSUMS_FILE).is_file():
        raise OutputError(f"{output}: exists and was not pulled; give another --output")


def _check_remote_names(repository: str, names: Mapping[str, int | None]) -> None:
    """Raise SchemaError for pickles, and for names that lead out of the repository."""
    for name in names:
        parts = name.split("/")
        if not all(is_plain_name(part) for part in parts):
            raise SchemaError(f"{repository}: holds the file name {name!r}; refused")
        if name.lower().endswith(PICKLES):
            raise SchemaError(
                f"{repository}: holds {name!r}, which may be a pickle and execute code; refused"
            )


def _small_file(repository: str, found: hub_client.Revision, name: str, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes."""
    _check_size(repository, found, name, limit)
    return b"".join(_limited(hub_client.stream(repository, found.commit, name),
                             f"{repository}, {name}", limit))  # fmt: skip


def _check_size(repository: str, found: hub_client.Revision, name: str, limit: int) -> None:
    """Raise SchemaError where a file is missing, InputError where it is larger than `limit`."""
    if name not in found.sizes:
        raise SchemaError(
            f"{repository}: holds no {name}; give a repository of `partflow push`, complete"
        )
    size = found.sizes[name]
    if size is not None and size > limit:
        raise InputError(f"{repository}, {name}: {size:,} bytes, more than {limit:,}; refused")


def _limited(pieces: Iterator[bytes], where: str, limit: int) -> Iterator[bytes]:
    """Yield the pieces; raises InputError once they are more than `limit` bytes together."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise InputError(f"{where}: more than {limit:,} bytes; refused")
        yield piece


def _download(
    repository: str,
    found: hub_client.Revision,
    name: str,
    expected: str,
    folder: Path,
    advance: Callable[[int], None],
) -> None:
    """Download one file into `folder` and verify it."""
    limit = LIMITS.get(name, PICTURE_LIMIT)
    _check_size(repository, found, name, limit)
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        where = f"{repository}, {name}"
        for piece in _limited(hub_client.stream(repository, found.commit, name), where, limit):
            digest.update(piece)
            advance(len(piece))
            yield piece

    _write(folder / name, pieces())
    if digest.hexdigest() != expected:
        raise InputError(
            f"{repository}, {name}: its SHA-256 is {digest.hexdigest()}, not {expected} as in "
            f"{CHECKSUMS_FILE}: the file was changed or damaged; nothing was kept"
        )


def _write(path: Path, pieces: Iterator[bytes] | list[bytes]) -> None:
    """Write a new file; raises OutputError where that fails."""
    try:
        stream = path.open("xb")
    except OSError as error:
        raise output_error(path, error) from error
    with stream:
        for piece in pieces:
            try:
                stream.write(piece)
            except OSError as error:
                raise output_error(path, error) from error


@contextlib.contextmanager
def _appearing_folder(output: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to fill, which becomes `output` if the block ends without an error, and nothing
    otherwise.
    """
    folder = output.with_name(f".{output.resolve().name}.{os.getpid()}.partial")
    made = [path for path in (folder.parent, *folder.parent.parents) if not path.exists()]
    is_complete = False
    try:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise output_error(output, error) from error
        yield folder
        try:
            if overwrite and output.is_dir():
                shutil.rmtree(output)
            os.replace(folder, output)
        except OSError as error:
            raise output_error(output, error) from error
        is_complete = True
    finally:
        if not is_complete:
            shutil.rmtree(folder, ignore_errors=True)
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()


def _sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
