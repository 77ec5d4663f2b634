"""An open EDM4hep file, with one set of names for the two layouts that podio writes.

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
from partflow.ingest.edm4hep.names import EVENT_TREE, PARTFLOW_OBJECT
from partflow.ingest.report import brief

OLD_RELATION_NUMBERS = {
    "parents": 0,
    "daughters": 1,
    "hits": 1,
    "clusters": 0,
    "tracks": 1,
    "from": 0,
    "to": 1,
}
"""Number of each relation in the old layout, which has no names for them."""
LINK_SYNONYMS = {"from": "rec", "to": "sim"}
"""Names of a link's ends between podio 0.17 and EDM4hep 1.0."""


@dataclass(frozen=True)
class PodioFile:
    """An open EDM4hep file: its event tree, branches by name, and collections by id."""

    path: Path
    name: str
    """Name that event ids are made from: the file's name, with folders where that is ambiguous."""
    branches: Mapping[str, Any] = field(repr=False)
    """Every branch of the event tree by its name, e.g. `MCParticles.PDG`."""
    collection_names: Mapping[int, str] = field(repr=False)
    """Names by collection id; the file need not hold these collections."""
    is_old: bool
    """Whether the layout is the old one, in which relations have numbers instead of names."""
    collections: frozenset[str] = field(repr=False)
    """Collections that the file holds."""
    num_events: int
    partflow_metadata: str = ""
    """The description (JSON) that our writer stores in a file; empty in other files."""

    @property
    def is_from_partflow(self) -> bool:
        """Whether our writer wrote the file."""
        return bool(self.partflow_metadata)

    def has(self, collection: str) -> bool:
        """Whether the file holds the collection."""
        return collection in self.collections

    def relation(self, collection: str, name: str) -> str:
        """Branch of the object ids of a relation or of one end of a link."""
        if self.is_old:
            return f"{collection}#{OLD_RELATION_NUMBERS[name]}"
        synonym = f"_{collection}_{LINK_SYNONYMS.get(name, name)}"
        return synonym if f"{synonym}.index" in self.branches else f"_{collection}_{name}"

    def vector(self, collection: str, name: str, member: str = "") -> str | None:
        """Branch of a vector member, or None; `member` is a member of the structs that it holds.

        In the old layout vector members have numbers: the last one with that member is taken.
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
    """Open an EDM4hep file; event ids are made from `name`, by default the name of the file.

    Raises InputError where it is no ROOT file, is damaged or has no event tree.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        # No caches: every branch is read once, and memory stays bounded. For local files plain
        # reads take less time than the default, which is meant for remote files.
        root = uproot.open(
            path,
            handler=uproot.MultithreadedFileSource,
            num_workers=1,
            array_cache=None,
            object_cache=None,
        )
    except Exception as error:  # damaged bytes make uproot raise anything
        raise InputError(
            f"{path}: not a ROOT file that can be opened ({brief(error)}); is it complete?"
        ) from error
    with root:
        yield _podio_file(path, name or path.name, root)


def _podio_file(path: Path, name: str, root: Any) -> PodioFile:
    """The branches and the table of collection ids of an open ROOT file."""
    try:
        keys = set(root.keys(recursive=False, cycle=False))
        if EVENT_TREE not in keys:
            objects = ", ".join(sorted(keys)[:8]) or "nothing"
            raise InputError(f"{path}: no tree '{EVENT_TREE}', only {objects}; is this EDM4hep?")
        tree = root[EVENT_TREE]
        branches = {b.name: b for b in tree.itervalues(recursive=True)}
        metadata = str(root[PARTFLOW_OBJECT]) if PARTFLOW_OBJECT in keys else ""
        is_old = not metadata and "podio_metadata" not in keys
        names = _names_from_partflow(metadata) if metadata else _names_from_podio(root, keys)
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
    return PodioFile(path, name, branches, names, is_old, collections, num_events, metadata)


def _names_from_podio(root: Any, keys: set[str]) -> dict[int, str]:
    """Names by id, from the table that the file's version of podio writes."""
    if "podio_metadata" not in keys:
        if "metadata" not in keys or "CollectionIDs" not in root["metadata"]:
            return {}
        return _id_table(root["metadata"]["CollectionIDs"])
    metadata = root["podio_metadata"]
    info = f"{EVENT_TREE}___CollectionTypeInfo"
    branches = {b.name: b for b in metadata.itervalues(recursive=True)}
    if f"{info}.collectionID" in branches:
        ids = _first_entry(branches[f"{info}.collectionID"])
        return _names_by_id(ids, _first_entry(branches[f"{info}.name"]))
    if f"{EVENT_TREE}___idTable" in branches:
        return _id_table(branches[f"{EVENT_TREE}___idTable"])
    return {}


def _names_from_partflow(metadata: str) -> dict[int, str]:
    """Names by id in a file of our writer: uproot cannot write podio's table."""
    ids = json.loads(metadata)["collections"]
    return {int(number): str(name) for name, number in ids.items()}


def _id_table(branch: Any) -> dict[int, str]:
    """Names by id from podio's `CollectionIDTable`."""
    return _names_by_id(_first_entry(branch["m_collectionIDs"]), _first_entry(branch["m_names"]))


def _first_entry(branch: Any) -> list[Any]:
    """The list that a branch of metadata holds in its first entry; empty if there is none."""
    entries = branch.array(entry_stop=1).to_list()
    return list(entries[0]) if entries else []


def _names_by_id(ids: list[Any], names: list[Any]) -> dict[int, str]:
    # The old layout stores signed ids, the new one unsigned: both are compared as 32 bits.
    return {int(i) & 0xFFFFFFFF: str(n) for i, n in zip(ids, names, strict=True)}


def as_id(values: Array) -> Array:
    """Collection ids as unsigned 32 bits, as in `PodioFile.collection_names`."""
    return np.asarray(values).astype(np.uint32).astype(np.int64)
