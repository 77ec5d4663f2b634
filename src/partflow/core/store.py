"""Records <-> Parquet, one row per event, with units and provenance.

A stage is a file or a folder of shards. Every collection is a column of lists of structs
with named fields, so any Parquet reader can open it; each field carries its unit and
meaning as metadata. Reading gives back the flat columns without copying them into Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from partflow.core.errors import DataError, InputError, SchemaError
from partflow.core.features import ELEMENTS
from partflow.core.outputs import exists_error, output_error
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events, concatenate_events
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    CONTRIBUTION_SOURCES,
    CONTRIBUTIONS,
    GEN_MET,
    HIT_CLUSTERS,
    HITS,
    JETS,
    PARTICLE_DAUGHTERS,
    PARTICLE_SOURCES,
    PARTICLES,
    SHARES,
    TARGETS,
    TRACK_LINKS,
    TRACK_PARTICLES,
    TRACKS,
    UNREFITTED_STATES,
    Schema,
)

FORMAT = 3
METADATA_KEY = b"partflow"
STAGES: Mapping[str, Mapping[str, Schema]] = {
    "generated": {"particles": PARTICLES},
    "events": {
        "particles": PARTICLES,
        "hits": HITS,
        "tracks": TRACKS,
        "clusters": CLUSTERS,
        "hit_clusters": HIT_CLUSTERS,
        "contributions": CONTRIBUTIONS,
        "track_particles": TRACK_PARTICLES,
        "baseline": CANDIDATES,
    },
    "labelled": {
        "elements": ELEMENTS,
        "targets": TARGETS,
        "gen_jets": JETS,
        "target_jets": JETS,
        "gen_met": GEN_MET,
    },
    "candidates": {"candidates": CANDIDATES},
}
"""Collections of each stage."""
EXTRAS: Mapping[str, Mapping[str, Schema]] = {
    "events": {
        "particle_sources": PARTICLE_SOURCES,
        "particle_daughters": PARTICLE_DAUGHTERS,
        "contribution_sources": CONTRIBUTION_SOURCES,
        "track_links": TRACK_LINKS,
        "unrefitted_states": UNREFITTED_STATES,
        "fine_clusters": CLUSTERS,
        "fine_hit_clusters": HIT_CLUSTERS,
    },
    "labelled": {"baseline_targets": TARGETS, "shares": SHARES},
    "candidates": {"shares": SHARES},
}
"""Collections that a file of a stage may hold beside those of STAGES: the truth of a full
simulation as its file tells it, clusters cut finer than the baseline's; what the baseline makes
of each element, and where the energy of each cluster should go; where candidates took it to go."""
FULL_SIMULATION = tuple(
    name for name in EXTRAS["events"] if name not in ("fine_clusters", "fine_hit_clusters")
)
"""The extras that the file of a full simulation gives."""
MADE_BY = {
    "generated": "partflow generate",
    "events": "partflow simulate",
    "labelled": "partflow label",
    "candidates": "partflow reconstruct",
}


def schema_of(stage: str, name: str) -> Schema:
    """Schema of a collection of a stage, whether every file holds it or not."""
    schemas = STAGES[stage]
    return schemas[name] if name in schemas else EXTRAS[stage][name]


def arrow_schema(
    stage: str, provenance: Provenance | None = None, extras: Sequence[str] = ()
) -> pa.Schema:
    """Arrow schema of a stage and `extras`, with units, stage and provenance as metadata."""
    fields = [pa.field("event_id", pa.int64(), False), pa.field("process", pa.string(), False)]
    for name in [*STAGES[stage], *extras]:
        schema = schema_of(stage, name)
        members = [
            pa.field(
                f.name,
                pa.from_numpy_dtype(np.dtype(f.dtype)),
                False,
                metadata={"unit": f.unit, "doc": f.doc},
            )
            for f in schema.fields
        ]
        fields.append(pa.field(name, pa.large_list(pa.field("item", pa.struct(members), False))))
    header = {"format": FORMAT, "stage": stage}
    if provenance is not None:
        header["provenance"] = json.loads(provenance.to_json())
    return pa.schema(fields, metadata={METADATA_KEY: json.dumps(header, sort_keys=True)})


class EventWriter:
    """Writes one Parquet file of a stage, batch by batch; nothing under the final name before
    the block ends without an error.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        provenance: Provenance | None = None,
        extras: Sequence[str] = (),
    ) -> None:
        self.path, self.stage = Path(path), stage
        self._schema = arrow_schema(stage, provenance, extras)
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        self._writer: pq.ParquetWriter | None = None
        self.num_events = 0

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Numbers of a detector hardly repeat, and nobody searches inside lists by their
            # statistics: without them and without dictionaries writing takes half the time.
            self._writer = pq.ParquetWriter(
                self._temporary,
                self._schema,
                compression="zstd",
                use_dictionary=["process"],
                write_statistics=False,
            )
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise output_error(self.path, error) from error
        return self

    def write(self, events: Events) -> None:
        """Append events as one row group."""
        if self._writer is None:
            raise DataError(f"{self.path}: write inside the `with` block")
        try:
            self._writer.write_table(_to_arrow(events, self._schema))
        except OSError as error:
            raise output_error(self.path, error) from error
        self.num_events += len(events)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
            if kind is None:
                self._temporary.replace(self.path)
        except OSError as failure:
            if kind is None:
                raise output_error(self.path, failure) from failure
        finally:
            self._temporary.unlink(missing_ok=True)


def write_events(
    path: Path, events: Events, stage: str, provenance: Provenance | None = None
) -> None:
    """Write one file of a stage, with the extras that `events` hold, whole or not at all."""
    extras = [name for name in EXTRAS.get(stage, {}) if name in events.collections]
    with EventWriter(path, stage, provenance, extras) as writer:
        writer.write(events)


def shards(path: Path, stage: str) -> list[Path]:
    """The Parquet files of a stage: the file itself, or those of a folder, by name.

    Raises InputError where there are none, SchemaError where one is of another stage.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; make it with `{MADE_BY[stage]}`")
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        partial = path.with_name(path.name + ".partial")
        hint = f"{partial} is unfinished; run its command again" if partial.exists() else (
            f"make it with `{MADE_BY[stage]}`"
        )  # fmt: skip
        raise InputError(f"{path}: holds no Parquet file; {hint}")
    for file in files:
        _check_stage(file, stage)
    return files


def num_events(path: Path, stage: str) -> int:
    """Number of events of a file or folder, from the footers alone."""
    return sum(pq.read_metadata(file).num_rows for file in shards(path, stage))


def read_events(path: Path, stage: str, collections: Sequence[str] | None = None) -> Events:
    """All events of a file or folder, with all collections it holds, or only some."""
    return concatenate_events(list(iterate_events(path, stage, collections)))


def iterate_events(
    path: Path, stage: str, collections: Sequence[str] | None = None
) -> Iterator[Events]:
    """Events of a file or folder, one row group at a time; an empty stage gives one empty run."""
    for file in shards(path, stage):
        for group in range(num_groups(file)):
            yield read_group(file, group, stage, collections)


def read_event(path: Path, stage: str, number: int) -> Events:
    """The event at place `number`, from 0, of a file or folder: one row group is read.

    Raises InputError where there are not so many.
    """
    left = number
    for file in shards(path, stage):
        metadata = pq.read_metadata(file)
        for group in range(metadata.num_row_groups):
            held = metadata.row_group(group).num_rows
            if left < held:
                return read_group(file, group, stage)[left : left + 1]
            left -= held
    raise InputError(f"{path}: no event {number}; it holds {number - left}, numbered from 0")


def num_groups(file: Path) -> int:
    """Runs of events that can be read on their own; at least one, which may be empty."""
    return max(pq.read_metadata(file).num_row_groups, 1)


def read_group(
    file: Path, group: int, stage: str, collections: Sequence[str] | None = None
) -> Events:
    """The events of one row group of one file, with `collections`, or all that it holds.

    Raises InputError where the file is damaged, SchemaError where a collection is missing.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            if collections is None:
                held = parquet.schema_arrow.names
                names = [*STAGES[stage], *(n for n in EXTRAS.get(stage, {}) if n in held)]
            else:
                names = list(collections)
            columns = ["event_id", "process", *names]
            missing = set(columns) - set(parquet.schema_arrow.names)
            if missing:
                raise SchemaError(f"{file}: no column {', '.join(sorted(missing))}; make it again")
            table = (
                parquet.read_row_group(group, columns=columns)
                if parquet.num_row_groups
                else parquet.schema_arrow.empty_table().select(columns)
            )
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: damaged Parquet file ({error}); make it again") from error
    return _from_arrow(table, stage, names, file)


def read_provenance(path: Path) -> Provenance:
    """Provenance of a Parquet file of ours."""
    record = _header(Path(path)).get("provenance")
    if not isinstance(record, dict):
        raise SchemaError(f"{path}: carries no provenance; make it again with this version")
    return Provenance(**record)


def holds(file: Path, provenance: Provenance, overwrite: bool = False) -> bool:
    """Whether `file` is the finished output of exactly this work.

    Raises OutputError where it is something else and `overwrite` is false.
    """
    if overwrite or not file.exists():
        return False
    try:
        same = read_provenance(file) == provenance
    except InputError:
        same = False
    if not same:
        raise exists_error(file)
    return True


def _check_stage(file: Path, stage: str) -> None:
    found = _header(file).get("stage")
    if found != stage:
        raise SchemaError(
            f"{file}: holds stage '{found}', but '{stage}' is needed; "
            f"give the output of `{MADE_BY[stage]}`"
        )


def _header(file: Path) -> dict[str, object]:
    try:
        metadata = pq.read_schema(file).metadata or {}
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a Parquet file that can be read ({error})") from error
    if METADATA_KEY not in metadata:
        raise InputError(
            f"{file}: a Parquet file, but not one of partflow's; "
            "give the output of a partflow command"
        )
    header: dict[str, object] = json.loads(metadata[METADATA_KEY])
    if header.get("format") != FORMAT:
        raise SchemaError(
            f"{file}: written in format {header.get('format')}, this version reads {FORMAT}; "
            "make it again"
        )
    return header


def _to_arrow(events: Events, schema: pa.Schema) -> pa.Table:
    arrays: list[pa.Array] = [
        pa.array(events.event_id, pa.int64()),
        pa.array(list(events.process), pa.string()),
    ]
    for name in schema.names[len(arrays) :]:
        collection = events.collections[name]
        members = schema.field(name).type.value_type
        struct = pa.StructArray.from_arrays(
            [pa.array(collection.columns[member.name], member.type) for member in members],
            fields=list(members),
        )
        arrays.append(
            pa.LargeListArray.from_arrays(collection.offsets, struct, type=schema.field(name).type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _from_arrow(table: pa.Table, stage: str, names: Sequence[str], file: Path) -> Events:
    table = table.combine_chunks()
    collections = {}
    for name in names:
        collections[name] = _collection(table[name], schema_of(stage, name), f"{file}: {name}")
    return Events(
        table["event_id"].to_numpy(),
        np.array(table["process"].to_pylist(), dtype=object),
        collections,
    )


def _collection(column: pa.ChunkedArray, schema: Schema, where: str) -> Collection:
    if len(column) == 0:
        return Collection.empty(schema)
    lists = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    offsets = lists.offsets.to_numpy()
    struct = lists.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    present = {field.name for field in struct.type}
    missing = schema.needed - present
    if missing:
        raise SchemaError(f"{where}: no field {', '.join(sorted(missing))}; make it again")
    columns = {
        name: struct.field(name).to_numpy(zero_copy_only=False)
        for name in schema.names
        if name in present  # a file of before the column has its default
    }
    return Collection(schema, offsets - offsets[0], columns)
