"""How podio lays out collections in a ROOT file: two layouts under one set of names.

|                     | old (podio < 0.17)          | new                                  |
| member              | `C.x` in branch `C`         | the same                             |
| one-to-many         | `C#0`, `C#1`, by position   | `_C_member`                          |
| link                | `L#0`, `L#1`                | `_L_from`, `_L_to` (`_rec`, `_sim`)  |
| vector member       | `C_0`, `C_1`, by position   | `_C_member`                          |
| ids of collections  | `metadata/CollectionIDs`    | `podio_metadata`, 32-bit hashes      |
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uproot

from partflow.core.errors import InputError, SchemaError
from partflow.core.records import Array

EVENT_TREE = "events"
MADE_BY = "partflow"
"""Name of the object in which our own writer says what it wrote."""
POSITIONS = {
    "parents": 0,
    "daughters": 1,
    "hits": 1,
    "clusters": 0,
    "tracks": 1,
    "from": 0,
    "to": 1,
}
"""Number of each relation in the old layout, where it has no name."""
SYNONYMS = {"from": "rec", "to": "sim"}
"""Names of a link's ends between podio 0.17 and EDM4hep 1.0."""


@dataclass(frozen=True)
class PodioFile:
    """An open EDM4hep file: its event tree, branches by name, and collections by id."""

    path: Path
    name: str
    """By which its events are known: the file's name, with folders where that is not enough."""
    branches: Mapping[str, Any] = field(repr=False)
    """Every branch of the event tree by its own name, e.g. `MCParticles.PDG`."""
    collection_names: Mapping[int, str] = field(repr=False)
    """Names by collection id, also of collections that are not in the file."""
    is_old: bool
    """Whether relations are numbered (`C#0`) instead of named."""
    collections: frozenset[str] = field(repr=False)
    """Collections that the file holds."""
    num_events: int
    made_by_partflow: str = ""
    """What our own writer says of the file (JSON); empty in the files of others."""

    def has(self, collection: str) -> bool:
        """Whether the file holds the collection."""
        return collection in self.collections

    def relation(self, collection: str, name: str) -> str:
        """Branch of the object ids of a relation or of one end of a link."""
        if self.is_old:
            return f"{collection}#{POSITIONS[name]}"
        synonym = f"_{collection}_{SYNONYMS.get(name, name)}"
        return synonym if f"{synonym}.index" in self.branches else f"_{collection}_{name}"

    def vector(self, collection: str, name: str, member: str = "") -> str | None:
        """Branch of a vector member (with a `member` of its own, if it holds structs), or None.

        The old layout numbers them; there the last one with that member is taken.
        """
        suffix = f".{member}" if member else ""
        if not self.is_old:
            base = f"_{collection}_{name}"
            return base if base + suffix in self.branches else None
        numbered = [f"{collection}_{i}" for i in range(8)]
        present = [b for b in numbered if b + suffix in self.branches]
        plain = [b for b in present if member or not self.branches[b].branches]
        return plain[-1] if plain else None

    def ids_of(self, collection: str) -> list[int]:
        """Ids under which other collections refer to this one."""
        return [i for i, name in self.collection_names.items() if name == collection]

    def name_of(self, collection_id: int) -> str:
        """Name of a collection, or its id where the file gives it none."""
        return self.collection_names.get(collection_id, f"with id {collection_id}")

    def branch(self, name: str) -> Any:
        """A branch by its name. Raises SchemaError where there is none."""
        if name not in self.branches:
            raise SchemaError(
                f"{self.path}: no branch '{name}' in tree '{EVENT_TREE}'; is this a REC file?"
            )
        return self.branches[name]


@contextlib.contextmanager
def open_podio(path: Path, name: str = "") -> Iterator[PodioFile]:
    """Open an EDM4hep file; its events are known by `name`, or by the file's own.

    Raises InputError where it is no ROOT file, is damaged or has no event tree.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        # Without caches: every branch is read once, and memory stays bounded. For a local file
        # plain reads take less time than the default, which is made for remote ones.
        root = uproot.open(
            path,
            handler=uproot.MultithreadedFileSource,
            num_workers=1,
            array_cache=None,
            object_cache=None,
        )
    except Exception as error:  # uproot raises whatever the bytes lead it to
        raise InputError(
            f"{path}: not a ROOT file that can be opened ({brief(error)}); is it complete?"
        ) from error
    with root:
        yield _podio_file(path, name or path.name, root)


def brief(error: BaseException) -> str:
    """The first line of an error, at most 120 characters, with its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (
        f"{type(error).__name__}: {lines[0][:120].rstrip(',:')}" if lines else type(error).__name__
    )


def _podio_file(path: Path, name: str, root: Any) -> PodioFile:
    try:
        keys = set(root.keys(recursive=False, cycle=False))
        if EVENT_TREE not in keys:
            found = ", ".join(sorted(keys)[:8]) or "nothing"
            raise InputError(f"{path}: no tree '{EVENT_TREE}', only {found}; is this EDM4hep?")
        tree = root[EVENT_TREE]
        branches = {b.name: b for b in tree.itervalues(recursive=True)}
        made_by = str(root[MADE_BY]) if MADE_BY in keys else ""
        is_old = not made_by and "podio_metadata" not in keys
        names = _own_names(made_by) if made_by else _collection_names(root, keys)
        num_events = int(tree.num_entries)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: its tree '{EVENT_TREE}' or its metadata cannot be read ({brief(error)}); "
            "is the file complete?"
        ) from error
    if not names:
        raise InputError(
            f"{path}: no table of collection ids (metadata/CollectionIDs or podio_metadata); "
            "is this EDM4hep?"
        )
    collections = frozenset(name.partition(".")[0] for name in branches)
    return PodioFile(path, name, branches, names, is_old, collections, num_events, made_by)


def _collection_names(root: Any, keys: set[str]) -> dict[int, str]:
    """Names by id, from whichever table this version of podio writes."""
    if "podio_metadata" not in keys:
        if "metadata" not in keys or "CollectionIDs" not in root["metadata"]:
            return {}
        return _id_table(root["metadata"]["CollectionIDs"])
    metadata = root["podio_metadata"]
    info = f"{EVENT_TREE}___CollectionTypeInfo"
    found = {b.name: b for b in metadata.itervalues(recursive=True)}
    if f"{info}.collectionID" in found:
        ids = _first_entry(found[f"{info}.collectionID"])
        return _named(ids, _first_entry(found[f"{info}.name"]))
    if f"{EVENT_TREE}___idTable" in found:
        return _id_table(found[f"{EVENT_TREE}___idTable"])
    return {}


def _own_names(made_by: str) -> dict[int, str]:
    """Names by id in a file of ours: uproot cannot write podio's table of them."""
    ids = json.loads(made_by)["collections"]
    return {int(number): str(name) for name, number in ids.items()}


def _id_table(branch: Any) -> dict[int, str]:
    return _named(_first_entry(branch["m_collectionIDs"]), _first_entry(branch["m_names"]))


def _first_entry(branch: Any) -> list[Any]:
    entries = branch.array(entry_stop=1).to_list()
    return list(entries[0]) if entries else []


def _named(ids: list[Any], names: list[Any]) -> dict[int, str]:
    # The old layout stores ids with a sign, the new one without: compare them as 32 bits.
    return {int(i) & 0xFFFFFFFF: str(n) for i, n in zip(ids, names, strict=True)}


def as_id(values: Array) -> Array:
    """Collection ids as the 32 bits that `PodioFile.collection_names` has."""
    return np.asarray(values).astype(np.uint32).astype(np.int64)
