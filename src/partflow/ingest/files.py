"""Files by name, folder or pattern, and the ids of the events in them."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array

PATTERN_SIGNS = "*?["
POSITION_BITS = 32


def find_files(inputs: Sequence[Path], suffix: str = ".root") -> list[Path]:
    """Files given by name, files below folders that end in `suffix`, and files of patterns.

    Each file is listed once, in the order given; those of a folder or a pattern by name. Raises
    InputError where a name or a pattern stands for no file.
    """
    all_files: dict[Path, None] = {}
    for path in inputs:
        if path.is_dir():
            files = sorted(p for p in path.rglob(f"*{suffix}") if p.is_file())
            hint = f"holds no file *{suffix}"
        elif path.exists():
            files, hint = [path], ""
        elif any(sign in str(path) for sign in PATTERN_SIGNS):
            files = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
            files = [p for p in files if p.is_file()]
            hint = "no file matches this pattern"
        else:
            files, hint = [], "no such file or folder"
        if not files:
            raise InputError(f"{path}: {hint}")
        all_files |= dict.fromkeys(files)
    return list(all_files)


def short_names(files: Sequence[Path]) -> list[str]:
    """The name of each file, with as many of its folders as make it unique.

    >>> short_names([Path("a/1/rec.root"), Path("a/2/rec.root"), Path("b/sim.root")])
    ['1/rec.root', '2/rec.root', 'sim.root']
    """
    parts = [file.absolute().parts for file in files]
    depth = [1] * len(files)
    while True:
        names = ["/".join(p[-d:]) for p, d in zip(parts, depth, strict=True)]
        shared = [
            i for i, name in enumerate(names) if names.count(name) > 1 and depth[i] < len(parts[i])
        ]
        if not shared:
            return names
        for i in shared:
            depth[i] += 1


def file_event_ids(file_name: str, positions: Array) -> Array:
    """Ids of events of a file, from its name and their `positions` in it, [event].

    An id is 31 bits of a hash of the name, so that it is positive, and 32 bits of the position.

    >>> file_event_ids("rec.root", np.array([0, 1])).tolist()
    [7962627581600071680, 7962627581600071681]
    """
    digest = hashlib.blake2b(file_name.encode(), digest_size=4).digest()
    file_hash = int.from_bytes(digest, "big") >> 1
    return (file_hash << POSITION_BITS) + np.asarray(positions, dtype=np.int64)
