"""Relations in the layout of podio: object ids, and the ranges of lists."""

from __future__ import annotations

import hashlib

import numpy as np

from partflow.core.records import Array
from partflow.ingest.edm4hep.columns import MemberColumns


def collection_id(name: str) -> int:
    """Id of a collection in our files: 32 bits of a hash of its name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")


def object_ids(offsets: Array, collection: str, index: Array) -> MemberColumns:
    """Object ids that point into one collection; `offsets` are [event + 1], `index` is [id]."""
    ids = np.full(len(index), collection_id(collection), dtype=np.uint32)
    return MemberColumns(offsets, {"index": index.astype(np.int32), "collectionID": ids})


def list_ranges(member: str, offsets: Array, counts: Array) -> dict[str, Array]:
    """Members `member_begin` and `member_end` of objects whose lists have `counts` [object]
    entries; `offsets` [event + 1] are those of the objects.
    """
    end = np.cumsum(counts)
    before = np.concatenate([[0], end])
    first = np.repeat(before[offsets[:-1]], np.diff(offsets))
    return {
        f"{member}_begin": (end - counts - first).astype(np.uint32),
        f"{member}_end": (end - first).astype(np.uint32),
    }


def list_offsets(offsets: Array, counts: Array) -> Array:
    """Offsets [event + 1] of the entries of the lists of `list_ranges`."""
    return np.concatenate([[0], np.cumsum(counts)])[offsets].astype(np.int64)
