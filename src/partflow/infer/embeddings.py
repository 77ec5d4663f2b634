"""Embeddings of elements and attention maps of a network, written to Parquet files to look at.

    NAME.embeddings.parquet   one row for each event
        event_id
        type, pt, eta, phi, energy      [element], 1 track, 2 cluster; GeV
        embedding                       [element, dim], output of the backbone for each element
    NAME.attention.parquet    one row for each layer and head of each chosen event
        event_id, layer, head
        weight                          [query, key], attention of each element to each element

The order of the elements is that of `core.features.build_elements`: tracks, then clusters.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection as Members
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from partflow.core.outputs import replacing
from partflow.core.provenance import Provenance
from partflow.core.records import Array, Collection
from partflow.dataset.batches import batch_of_elements
from partflow.model.mlpf import MLPF

COLUMNS = {"type": "", "pt": "GeV", "eta": "", "phi": "rad", "energy": "GeV"}
"""Columns that describe each element, and their units."""


def embeddings_path(output: Path) -> Path:
    """File of the embeddings that belong to the candidates in `output`.

    >>> embeddings_path(Path("mlpf.parquet")).name
    'mlpf.embeddings.parquet'
    """
    return output.with_name(f"{output.stem}.embeddings.parquet")


def attention_path(output: Path) -> Path:
    """File of the attention maps that belong to the candidates in `output`."""
    return output.with_name(f"{output.stem}.attention.parquet")


def embeddings_schema(dim: int) -> pa.Schema:
    """Columns of the file of embeddings of width `dim`."""
    columns = [
        pa.field(name, pa.list_(pa.float32()), metadata={"unit": unit})
        for name, unit in COLUMNS.items()
    ]
    embedding = pa.list_(pa.list_(pa.float32(), dim))
    return pa.schema([("event_id", pa.int64()), *columns, pa.field("embedding", embedding)])


ATTENTION_SCHEMA = pa.schema(
    [
        ("event_id", pa.int64()),
        ("layer", pa.int32()),
        ("head", pa.int32()),
        ("weight", pa.list_(pa.list_(pa.float32()))),
    ]
)


@torch.inference_mode()
def embeddings_of(model: MLPF, elements: Collection, event_id: Array) -> pa.Table:
    """Embeddings of the elements of all events, one row for each event."""
    batch = batch_of_elements(elements, event_id)
    embedding = model.represent(batch.to(_device(model))).cpu().numpy()
    phi = np.arctan2(elements.sin_phi, elements.cos_phi)
    values = {**elements.columns, "phi": phi}
    vectors = pa.FixedSizeListArray.from_arrays(embedding.ravel(), model.config.dim)
    lists = [_lists(elements.offsets, pa.array(values[n].astype(np.float32))) for n in COLUMNS]
    columns = [pa.array(event_id, pa.int64()), *lists, _lists(elements.offsets, vectors)]
    return pa.Table.from_arrays(columns, schema=embeddings_schema(model.config.dim))


@torch.inference_mode()
def attention_of(model: MLPF, elements: Collection, event_id: Array) -> pa.Table:
    """Attention maps of all events, one row for each layer and head; empty events have none."""
    batch = batch_of_elements(elements, event_id).to(_device(model))
    rows: list[dict[str, Any]] = []
    not_empty = np.asarray(event_id)[elements.counts > 0]
    for event, maps in zip(not_empty, model.attention_weights(batch), strict=True):
        for layer, maps_of_layer in enumerate(maps.cpu().numpy()):
            for head, weight in enumerate(maps_of_layer):
                rows.append({"event_id": int(event), "layer": layer, "head": head,
                             "weight": list(weight)})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=ATTENTION_SCHEMA)


class EmbeddingWriter:
    """Writes embeddings of all events and attention maps of chosen events.

    `open_embedding_writer` makes one.
    """

    def __init__(
        self,
        model: MLPF,
        embeddings_file: pq.ParquetWriter | None,
        attention_file: pq.ParquetWriter | None,
        attention_events: Members[int],
    ) -> None:
        self._model = model
        self._embeddings_file, self._attention_file = embeddings_file, attention_file
        self._attention_events = attention_events

    def write(self, elements: Collection, event_id: Array) -> None:
        """Add the events of `elements`, whose ids are `event_id` [event]."""
        was_training = self._model.training
        self._model.eval()
        try:
            if self._embeddings_file is not None:
                self._embeddings_file.write_table(embeddings_of(self._model, elements, event_id))
            if self._attention_file is not None:
                # One event at a time: the size of a map is quadratic in the number of elements.
                for event in np.flatnonzero(np.isin(event_id, list(self._attention_events))):
                    chosen = elements[event : event + 1], event_id[event : event + 1]
                    self._attention_file.write_table(attention_of(self._model, *chosen))
        finally:
            self._model.train(was_training)


@contextlib.contextmanager
def open_embedding_writer(
    model: MLPF,
    output: Path,
    provenance: Provenance,
    save_embeddings: bool,
    attention_events: Members[int],
) -> Iterator[EmbeddingWriter]:
    """A writer of the files that belong to the candidates in `output`, for a `with` block.

    The files appear complete when the block ends without an error, or not at all.

    Args:
        model: The network.
        output: File of the candidates.
        provenance: Provenance to store in the files.
        save_embeddings: Whether to write embeddings.
        attention_events: `event_id` of the events whose attention maps to write.
    """
    with contextlib.ExitStack() as files:
        embeddings_file = attention_file = None
        if save_embeddings:
            schema = embeddings_schema(model.config.dim)
            file = _parquet(embeddings_path(output), schema, provenance)
            embeddings_file = files.enter_context(file)
        if attention_events:
            file = _parquet(attention_path(output), ATTENTION_SCHEMA, provenance)
            attention_file = files.enter_context(file)
        yield EmbeddingWriter(model, embeddings_file, attention_file, attention_events)


@contextlib.contextmanager
def _parquet(path: Path, schema: pa.Schema, provenance: Provenance) -> Iterator[pq.ParquetWriter]:
    """A writer of the Parquet file `path`, which appears complete or not at all."""
    metadata = {b"partflow": json.dumps({"provenance": json.loads(provenance.to_json())})}
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema.with_metadata(metadata), compression="zstd") as writer,
    ):
        yield writer


def _lists(offsets: Array, values: pa.Array) -> pa.Array:
    """Lists of the values of each event."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _device(model: MLPF) -> torch.device:
    return next(model.parameters()).device
