"""The cache of compiled kernels: one folder for each state of the source.

numba decides by the file of a kernel alone whether its cached version is valid. It ignores the
files of the kernels that it calls and of the constants that are compiled into it: after an update
or an edit it would silently run the old ones. Therefore the folder of the cache is named after a
hash of the text of all files with kernels and of all files of the package that these import,
directly or indirectly.

They are about a quarter of the package, and reading them takes 10 ms at every start. A hash of all
files would take half as long, but then an edit of a report's text would cost a minute of compiling
(2 cores; `import partflow` takes 40 ms in all).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PREFIX = "kernels-"
"""Beginning of the names of cache folders."""
KEEP_SECONDS = 24 * 3600.0
"""Age up to which folders of other states are kept: they may be in use."""
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.MULTILINE
)
"""An import statement: the module and the names taken from it, or modules. Other text that looks
like one adds an unneeded file at worst; parsing the source would take 200 ms."""
_NAME = re.compile(rb"[\w.*]+")


def bind_kernel_cache() -> None:
    """Set numba's cache to the folder for this state of the source, and delete old folders.

    Does nothing where the user has chosen a folder (NUMBA_CACHE_DIR) or where the package cannot
    be written, so that its source does not change either.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    package = Path(__file__).parent
    caches = package / "__pycache__"
    folder = caches / f"{PREFIX}{source_digest(package)}"
    try:
        if not folder.is_dir():
            for other in caches.glob(f"{PREFIX}*"):
                if time.time() - other.stat().st_mtime > KEEP_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # it was imported before and has read the environment
        sys.modules["numba"].config.reload_config()


def source_digest(package: Path) -> str:
    """Hash of the text of all files of a package that its compiled kernels depend on."""
    text = {}
    for path in package.rglob("*.py"):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        text[".".join(parts).removesuffix(".__init__")] = path.read_bytes()
    seen = {module for module, source in text.items() if b"njit" in source}
    to_do = list(seen)
    while to_do:
        for module in _imported(text[to_do.pop()], text):
            if module not in seen:
                seen.add(module)
                to_do.append(module)
    digest = hashlib.blake2b(digest_size=8)
    for module in sorted(seen):
        digest.update(module.encode())
        digest.update(text[module])
    return digest.hexdigest()


def _imported(source: bytes, known: Mapping[str, bytes]) -> Iterator[str]:
    """The modules in `known` that a source text imports by absolute names."""
    for origin, taken, modules in _IMPORT.findall(source):
        for name in map(bytes.decode, _NAME.findall(taken or modules)):
            inner = f"{origin.decode()}.{name}" if origin else name
            for module in (inner, origin.decode()):
                if module in known:
                    yield module
                    break
