"""The provenance of an output: all that is needed to make it again."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from partflow import __version__

PROVENANCE_FILE = "provenance.json"
"""Name of the file in an output folder that holds its provenance."""
CARD_FILE, CHECKSUMS_FILE = "README.md", "checksums.json"
"""A model card and the checksums of a model folder, which describe it."""
CARD_PICTURE = re.compile(r"card_[a-z0-9_]{1,60}\.png")
"""Names of the pictures of a model card."""


@dataclass(frozen=True)
class Provenance:
    """How an output was made; without time and machine, so the same work gives the same bytes."""

    stage: str
    """Stage of the pipeline that made the output."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Configuration with all defaults, as JSON values."""
    seed: int | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    """`fingerprint` of each input by its name."""
    version: str = __version__
    commit: str = ""
    """Commit of the checkout of partflow; empty for an installed package."""

    def to_json(self) -> str:
        """The provenance as sorted, indented JSON."""
        return json.dumps(asdict(self), sort_keys=True, indent=1, default=str)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """The provenance that `to_json` wrote."""
        return cls(**json.loads(text))


def make_provenance(
    stage: str, config: Any = None, seed: int | None = None, inputs: Sequence[Path] = ()
) -> Provenance:
    """The provenance of an output of `stage` that this version makes from `inputs`.

    `config` is a dataclass or a mapping.
    """
    if config is None:
        resolved: Mapping[str, Any] = {}
    elif is_dataclass(config) and not isinstance(config, type):
        resolved = asdict(config)
    else:
        resolved = dict(config)
    # Through JSON, so that it compares equal to a provenance read from a file.
    resolved = json.loads(json.dumps(resolved, default=str))
    hashes = {path.name: fingerprint(path) for path in inputs}
    return Provenance(stage, resolved, seed, hashes, __version__, current_commit())


def fingerprint(path: Path) -> str:
    """Hash of the content of a file, or of the file names, sizes and provenance of a folder.

    A model card in the folder is left out, since it describes the folder and is written later.
    """
    digest = hashlib.blake2b(digest_size=16)
    if path.is_dir():
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            if part.parent == path and _is_of_card(part.name):
                continue
            digest.update(f"{part.relative_to(path)}:{part.stat().st_size};".encode())
        provenance = path / PROVENANCE_FILE
        if provenance.is_file():
            digest.update(provenance.read_bytes())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_of_card(name: str) -> bool:
    """Whether a file of this name is a part of a model card, or lists a model folder's files."""
    return name in (CARD_FILE, CHECKSUMS_FILE) or bool(CARD_PICTURE.fullmatch(name))


@cache
def current_commit() -> str:
    """Commit of the checkout that this package runs from; empty for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    answer = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() if answer.returncode == 0 else ""
