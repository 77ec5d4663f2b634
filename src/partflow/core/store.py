"""Collections in Parquet files, one row per event, with units and provenance.

A stage is one file or a folder of them (shards). Every collection is a column of lists of structs
with named fields, which any Parquet reader can open; each field has its unit and meaning as
metadata. Reading returns flat columns and makes no Python objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from partflow.core.errors import DataError, InputError, SchemaError
from partflow.core.features import ELEMENTS
from partflow.core.outputs import FileWriter, exists_error, output_error
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events, concatenate_events
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    CONTRIBUTION_SOURCES,
    CONTRIBUTIONS,
    EVENT_WEIGHT,
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
"""Version of the file format."""
METADATA_KEY = b"partflow"
"""Key of our JSON in the metadata of a Parquet file: format, stage and provenance."""
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
"""Collections that every file of a stage holds, with their schemas."""
OPTIONAL_COLLECTIONS: Mapping[str, Mapping[str, Schema]] = {
    "events": {
        "particle_sources": PARTICLE_SOURCES,
        "particle_daughters": PARTICLE_DAUGHTERS,
        "contribution_sources": CONTRIBUTION_SOURCES,
        "track_links": TRACK_LINKS,
        "unrefitted_states": UNREFITTED_STATES,
        "event_weight": EVENT_WEIGHT,
    },
    "labelled": {"baseline_targets": TARGETS, "shares": SHARES, "event_weight": EVENT_WEIGHT},
    "candidates": {"shares": SHARES},
}
"""Collections that a file of a stage may hold in addition. Events: the truth of a full simulation,
and weights. Labelled events: the baseline's candidate of each element, the target of
the energy sharing, and weights. Candidates: the energy sharing that they were made with."""
FULL_SIMULATION = tuple(name for name in OPTIONAL_COLLECTIONS["events"] if name != "event_weight")
"""The optional collections of events from a file of a full simulation."""
MADE_BY = {
    "generated": "partflow generate",
    "events": "partflow simulate",
    "labelled": "partflow label",
    "candidates": "partflow reconstruct",
}
"""The command that makes each stage."""


def schema_of(stage: str, name: str) -> Schema:
    """Schema of a collection of a stage, optional ones included."""
    schemas = STAGES[stage]
    return schemas[name] if name in schemas else OPTIONAL_COLLECTIONS[stage][name]


def arrow_schema(
    stage: str, provenance: Provenance | None = None, optional: Sequence[str] = ()
) -> pa.Schema:
    """Arrow schema of a stage with `optional` collections, and units and provenance as metadata."""
    fields = [pa.field("event_id", pa.int64(), False), pa.field("process", pa.string(), False)]
    for name in [*STAGES[stage], *optional]:
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


class EventWriter(FileWriter):
    """Writes one Parquet file of a stage, chunk by chunk, in a `with` block.

    The file gets its name when the block ends without an error. `optional` are the names of the
    optional collections that the events have. Raises OutputError where the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        provenance: Provenance | None = None,
        optional: Sequence[str] = (),
    ) -> None:
        super().__init__(path)
        self._schema = arrow_schema(stage, provenance, optional)
        self._parquet: pq.ParquetWriter | None = None
        self.num_events = 0

    def write(self, events: Events) -> None:
        """Append events as one row group."""
        if self._parquet is None:
            raise DataError(f"{self.path}: write inside the `with` block")
        try:
            self._parquet.write_table(_to_arrow(events, self._schema))
        except OSError as error:
            raise output_error(self.path, error) from error
        self.num_events += len(events)

    def _open(self, temporary: Path) -> None:
        # Measured numbers hardly repeat, and statistics of values inside lists are of no use:
        # without dictionaries and statistics writing takes half the time.
        self._parquet = pq.ParquetWriter(
            temporary,
            self._schema,
            compression="zstd",
            use_dictionary=["process"],
            write_statistics=False,
        )

    def _close(self, is_complete: bool) -> None:
        if self._parquet is not None:
            self._parquet.close()


def write_events(
    path: Path, events: Events, stage: str, provenance: Provenance | None = None
) -> None:
    """Write one file of a stage with all collections of the stage that `events` hold."""
    optional = [n for n in OPTIONAL_COLLECTIONS.get(stage, {}) if n in events.collections]
    with EventWriter(path, stage, provenance, optional) as writer:
        writer.write(events)


def shards(path: Path, stage: str) -> list[Path]:
    """The Parquet files of a stage: the file itself, or those of a folder, sorted by name.

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
    """Number of events of a file or folder; reads the footers of the files only."""
    return sum(pq.read_metadata(file).num_rows for file in shards(path, stage))


def read_events(path: Path, stage: str, collections: Sequence[str] | None = None) -> Events:
    """All events of a file or folder, with all its collections or with `collections` only."""
    return concatenate_events(list(iterate_events(path, stage, collections)))


def iterate_events(
    path: Path, stage: str, collections: Sequence[str] | None = None
) -> Iterator[Events]:
    """Events of a file or folder, one row group at a time, with all its collections or only some.

    A file without events gives one empty chunk.
    """
    for file in shards(path, stage):
        for row_group in range(num_row_groups(file)):
            yield read_row_group(file, row_group, stage, collections)


def read_event(path: Path, stage: str, number: int) -> Events:
    """Event `number`, counted from 0, of a file or folder; reads one row group only.

    Raises InputError where there are fewer events.
    """
    index = number
    for file in shards(path, stage):
        metadata = pq.read_metadata(file)
        for row_group in range(metadata.num_row_groups):
            num_rows = metadata.row_group(row_group).num_rows
            if index < num_rows:
                return read_row_group(file, row_group, stage)[index : index + 1]
            index -= num_rows
    raise InputError(f"{path}: no event {number}; it holds {number - index}, numbered from 0")


def num_row_groups(file: Path) -> int:
    """Number of row groups that can be read on their own: at least one, which may be empty."""
    return max(pq.read_metadata(file).num_row_groups, 1)


def read_row_group(
    file: Path, row_group: int, stage: str, collections: Sequence[str] | None = None
) -> Events:
    """The events of one row group of a file, with all its collections or with `collections` only.

    Raises InputError where the file is damaged, SchemaError where a collection is missing.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            if collections is None:
                present = parquet.schema_arrow.names
                optional = OPTIONAL_COLLECTIONS.get(stage, {})
                names = [*STAGES[stage], *(name for name in optional if name in present)]
            else:
                names = list(collections)
            columns = ["event_id", "process", *names]
            missing = set(columns) - set(parquet.schema_arrow.names)
            if missing:
                raise SchemaError(f"{file}: no column {', '.join(sorted(missing))}; make it again")
            table = (
                parquet.read_row_group(row_group, columns=columns)
                if parquet.num_row_groups
                else parquet.schema_arrow.empty_table().select(columns)
            )
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: damaged Parquet file ({error}); make it again") from error
    return _from_arrow(table, stage, names, file)


def read_provenance(path: Path) -> Provenance:
    """Provenance of a Parquet file of partflow; raises SchemaError where it has none."""
    stored = _header(Path(path)).get("provenance")
    if not isinstance(stored, dict):
        raise SchemaError(f"{path}: has no provenance; make it again with this version")
    return Provenance(**stored)


def is_finished(file: Path, provenance: Provenance, overwrite: bool = False) -> bool:
    """Whether `file` exists and has this provenance, so that there is nothing to do.

    False with `overwrite`. Raises OutputError where `file` is another output.
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
    """Raise SchemaError unless `file` is of `stage`."""
    present = _header(file).get("stage")
    if present != stage:
        raise SchemaError(
            f"{file}: holds stage '{present}', but '{stage}' is needed; "
            f"give the output of `{MADE_BY[stage]}`"
        )


def _header(file: Path) -> dict[str, object]:
    """The JSON that `arrow_schema` put into the metadata of a file.

    Raises InputError where the file is none of partflow's, SchemaError for another format.
    """
    try:
        metadata = pq.read_schema(file).metadata or {}
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{file}: not a Parquet file that can be read ({error}); make it again"
        ) from error
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
    """One row per event, with the columns of `schema`."""
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
    """The events of a table with the collections `names`."""
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
    """The collection in a column of lists of structs; errors begin with `where`."""
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
        if name in present  # an older file lacks the column, whose default is used
    }
    return Collection(schema, offsets - offsets[0], columns)
