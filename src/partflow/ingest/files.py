"""The files that a command line means: files, folders, and patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from partflow.core.errors import InputError

PATTERN_SIGNS = "*?["


def find_files(inputs: Sequence[Path], suffix: str = ".root") -> list[Path]:
    """Files given by name, those below folders that end in `suffix`, and those of patterns.

    In the order given, each once; those of a folder or a pattern by name. Raises InputError where
    a name or a pattern stands for no file.
    """
    found: dict[Path, None] = {}
    for path in inputs:
        if path.is_dir():
            files = sorted(p for p in path.rglob(f"*{suffix}") if p.is_file())
            hint = f"holds no file *{suffix}"
        elif path.exists():
            files, hint = [path], ""
        elif any(sign in str(path) for sign in PATTERN_SIGNS):
            files = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
            files = [p for p in files if p.is_file()]
            hint = "no file fits this pattern"
        else:
            files, hint = [], "no such file or folder"
        if not files:
            raise InputError(f"{path}: {hint}")
        found |= dict.fromkeys(files)
    return list(found)


def short_names(files: Sequence[Path]) -> list[str]:
    """Each file's name, with as many of its folders as tell it from the others.

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
