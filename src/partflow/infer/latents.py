"""What a network thinks on the way: representations of elements and attention maps, to look at.

    NAME.embeddings.parquet   one row for each event
        event_id                        identity of the event
        type, pt, eta, phi, energy      [element] what each element is (GeV)
        embedding                       [element, dim] its representation after the trunk
    NAME.attention.parquet    one row for each layer and head of each chosen event
        event_id, layer, head           which map
        weight                          [listener, source] how much listens to what

Elements stand in the order of `core.features.build_elements`: tracks, then clusters.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection as Members
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
"""Columns that say what each element is, and their units."""


def embeddings_path(output: Path) -> Path:
    """File of the representations that belong to the candidates in `output`."""
    return output.with_name(f"{output.stem}.embeddings.parquet")


def attention_path(output: Path) -> Path:
    """File of the attention maps that belong to the candidates in `output`."""
    return output.with_name(f"{output.stem}.attention.parquet")


def embeddings_schema(dim: int) -> pa.Schema:
    """Columns of the representations of width `dim`."""
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
    """The representations of the elements of events, one row for each event."""
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
    """The attention maps of events, one row for each layer and head; an empty event has none."""
    batch = batch_of_elements(elements, event_id).to(_device(model))
    rows: list[dict[str, Any]] = []
    not_empty = np.asarray(event_id)[elements.counts > 0]
    for event, maps in zip(not_empty, model.attention_weights(batch), strict=True):
        for layer, of_heads in enumerate(maps.cpu().numpy()):
            for head, weight in enumerate(of_heads):
                rows.append({"event_id": int(event), "layer": layer, "head": head,
                             "weight": list(weight)})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=ATTENTION_SCHEMA)


class LatentWriter:
    """Writes representations of all events, attention maps of some, or both, beside `output`.

    Files appear whole when the block ends without an error, or not at all.
    """

    def __init__(
        self,
        model: MLPF,
        output: Path,
        record: Provenance,
        has_embeddings: bool,
        attention_events: Members[int],
    ) -> None:
        self.model, self.output, self.record = model, output, record
        self.has_embeddings, self.attention_events = has_embeddings, attention_events
        self._files = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            if self.has_embeddings:
                schema = embeddings_schema(self.model.config.dim)
                file = _parquet(embeddings_path(self.output), schema, self.record)
                self._embeddings = opened.enter_context(file)
            if self.attention_events:
                path = attention_path(self.output)
                self._attention = opened.enter_context(
                    _parquet(path, ATTENTION_SCHEMA, self.record)
                )
            self._files = opened.pop_all()
        return self

    def write(self, elements: Collection, event_id: Array) -> None:
        """Add what was asked for of the events of `elements`."""
        was_training = self.model.training
        self.model.eval()
        try:
            if self.has_embeddings:
                self._embeddings.write_table(embeddings_of(self.model, elements, event_id))
            if self.attention_events:
                # One event at a time: maps are quadratic in its elements.
                for event in np.flatnonzero(np.isin(event_id, list(self.attention_events))):
                    chosen = elements[event : event + 1], event_id[event : event + 1]
                    self._attention.write_table(attention_of(self.model, *chosen))
        finally:
            self.model.train(was_training)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, traceback)


@contextlib.contextmanager
def _parquet(path: Path, schema: pa.Schema, record: Provenance) -> Iterator[pq.ParquetWriter]:
    metadata = {b"partflow": json.dumps({"provenance": json.loads(record.to_json())})}
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema.with_metadata(metadata), compression="zstd") as writer,
    ):
        yield writer


def _lists(offsets: Array, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _device(model: MLPF) -> torch.device:
    return next(model.parameters()).device
