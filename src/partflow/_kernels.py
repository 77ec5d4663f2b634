"""Where compiled kernels are kept: one folder for each state of the source.

numba looks only at the file of a kernel to tell whether a cached one still holds, not at the
files of the kernels it calls: after an update, or an edit, it would go on running the old
ones, silently. So the cache is bound to the text of every file that holds a kernel.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

PREFIX = "kernels-"
KEEP_SECONDS = 24 * 3600.0


def bind_kernel_cache() -> None:
    """Point numba at the folder for this source, and drop old ones of other states of it.

    Does nothing where the user has chosen a folder (NUMBA_CACHE_DIR), or where the package
    cannot be written: then it does not change under the cache either.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    package = Path(__file__).parent
    caches = package / "__pycache__"
    folder = caches / f"{PREFIX}{source_digest(package)}"
    try:
        if not folder.is_dir():
            for other in caches.glob(f"{PREFIX}*"):
                if time.time() - other.stat().st_mtime > KEEP_SECONDS:  # perhaps still in use
                    shutil.rmtree(other, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # imported before us: it has read its environment already
        sys.modules["numba"].config.reload_config()


def source_digest(package: Path) -> str:
    """Hash of the text of all files of a package that hold kernels."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        if b"njit" in text:
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(text)
    return digest.hexdigest()
