"""Where compiled kernels are kept: one folder for each state of the source.

numba looks only at the file of a kernel to tell whether a cached one still holds, not at the
files of the kernels it calls, nor at those of the constants that are compiled into it: after an
update, or an edit, it would go on running the old ones, silently. So the cache is bound to the
text of every file that holds a kernel, and of every file of ours that such a file imports,
directly or by way of others.

That is about a quarter of the package. Reading its text takes 10 ms at every start. Binding the
cache to all files would take half as long, but then an edit of a report's text would cost a minute
of compiling (2 cores; `import partflow` takes 40 ms in all).
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
KEEP_SECONDS = 24 * 3600.0
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.MULTILINE
)
"""An import statement: the module and what is taken of it, or modules. Text that merely looks like
one adds a file too many at worst; parsing the source would take 200 ms."""
_NAME = re.compile(rb"[\w.*]+")


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
    """Hash of the text of all files of a package that its kernels are made from."""
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
    """The modules out of `known` that a text imports, by absolute names."""
    for origin, taken, modules in _IMPORT.findall(source):
        for name in map(bytes.decode, _NAME.findall(taken or modules)):
            inner = f"{origin.decode()}.{name}" if origin else name
            for module in (inner, origin.decode()):
                if module in known:
                    yield module
                    break
