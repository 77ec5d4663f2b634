"""Where an output came from: what it takes to make it again."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from partflow import __version__

PROVENANCE_FILE = "provenance.json"


@dataclass(frozen=True)
class Provenance:
    """Stage, resolved configuration, seed, version, commit and hashes of the inputs.

    Holds no time and no machine, so that the same work gives the same bytes.
    """

    stage: str
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__
    commit: str = ""

    def to_json(self) -> str:
        """The record as sorted, indented JSON."""
        return json.dumps(asdict(self), sort_keys=True, indent=1, default=str)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """The record written by `to_json`."""
        return cls(**json.loads(text))


def make_provenance(
    stage: str, config: Any = None, seed: int | None = None, inputs: Sequence[Path] = ()
) -> Provenance:
    """Provenance of work done now by this program on `inputs`."""
    if config is None:
        resolved: Mapping[str, Any] = {}
    elif is_dataclass(config) and not isinstance(config, type):
        resolved = asdict(config)
    else:
        resolved = dict(config)
    # Through JSON, so that what was written and what is asked for compare equal.
    resolved = json.loads(json.dumps(resolved, default=str))
    hashes = {path.name: fingerprint(path) for path in inputs}
    return Provenance(stage, resolved, seed, hashes, __version__, current_commit())


def fingerprint(path: Path) -> str:
    """Hash of a file's content; of a folder's file names, sizes and provenance."""
    digest = hashlib.blake2b(digest_size=16)
    if path.is_dir():
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{part.relative_to(path)}:{part.stat().st_size};".encode())
        record = path / PROVENANCE_FILE
        if record.is_file():
            digest.update(record.read_bytes())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@cache
def current_commit() -> str:
    """Commit of the checkout this package runs from; empty when it is installed."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    answer = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() if answer.returncode == 0 else ""
