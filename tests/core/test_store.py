from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from partflow.core.errors import InputError, OutputError, SchemaError
from partflow.core.provenance import make_provenance
from partflow.core.records import Collection, Events, offsets_from_counts
from partflow.core.schemas import PARTICLES, Schema
from partflow.core.store import (
    OPTIONAL_COLLECTIONS,
    STAGES,
    EventWriter,
    is_finished,
    iterate_events,
    num_events,
    read_events,
    read_provenance,
    write_events,
)


def random_events(stage: str, counts: list[int], seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    collections = {}
    for name, schema in STAGES[stage].items():
        columns = {f.name: rng.integers(0, 9, sum(counts)).astype(f.dtype) for f in schema.fields}
        collections[name] = Collection(schema, offsets_from_counts(np.array(counts)), columns)
    return Events(rng.integers(0, 1 << 62, len(counts)), np.full(len(counts), "ttbar"), collections)


def assert_same(left: Events, right: Events) -> None:
    assert left.event_id.tolist() == right.event_id.tolist()
    assert left.process.tolist() == right.process.tolist()
    for name, collection in left.collections.items():
        other = right.collections[name]
        assert collection.offsets.tolist() == other.offsets.tolist()
        for column, values in collection.columns.items():
            assert values.dtype == other.columns[column].dtype
            np.testing.assert_array_equal(values, other.columns[column])


@pytest.mark.parametrize("stage", STAGES)
def test_events_are_read_as_they_were_written(stage: str, tmp_path: Path) -> None:
    events = random_events(stage, [3, 0, 2])
    write_events(tmp_path / "a.parquet", events, stage)
    assert_same(events, read_events(tmp_path / "a.parquet", stage))


def test_a_file_without_events_is_read_without_events(tmp_path: Path) -> None:
    write_events(tmp_path / "a.parquet", random_events("events", []), "events")
    assert len(read_events(tmp_path / "a.parquet", "events")) == 0
    with EventWriter(tmp_path / "b.parquet", "events"):
        pass
    assert len(read_events(tmp_path / "b.parquet", "events")) == 0


def test_a_folder_is_read_shard_by_shard_in_the_order_of_names(tmp_path: Path) -> None:
    parts = [random_events("candidates", [2, 1], seed) for seed in range(3)]
    for number in (2, 0, 1):
        write_events(tmp_path / f"{number:05d}.parquet", parts[number], "candidates")
    for chunk, part in zip(iterate_events(tmp_path, "candidates"), parts, strict=True):
        assert_same(chunk, part)
    assert num_events(tmp_path, "candidates") == 6


def test_other_readers_can_open_a_file_and_find_units(tmp_path: Path) -> None:
    events = random_events("events", [3, 0, 2])
    write_events(tmp_path / "a.parquet", events, "events")
    opened = ak.from_parquet(tmp_path / "a.parquet")
    assert ak.num(opened.tracks.pt).to_list() == [3, 0, 2]
    assert ak.flatten(opened.tracks.pt).to_list() == events.tracks.pt.tolist()
    tracks = pq.read_schema(tmp_path / "a.parquet").field("tracks").type.value_type
    assert tracks.field("pt").metadata[b"unit"] == b"GeV"


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        write_events(
            tmp_path / name, random_events("events", [5, 6]), "events", make_provenance("x")
        )
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_errors_name_the_file_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: no such file.*partflow simulate"):
        read_events(tmp_path / "none", "events")
    (tmp_path / "text.parquet").write_text("not a Parquet file")
    with pytest.raises(InputError, match=r"text\.parquet: not a Parquet file"):
        read_events(tmp_path / "text.parquet", "events")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(InputError, match=r"foreign\.parquet.*not one of partflow's"):
        read_events(tmp_path / "foreign.parquet", "events")
    write_events(tmp_path / "gen.parquet", random_events("generated", [1]), "generated")
    with pytest.raises(SchemaError, match=r"'generated', but 'events' is needed.*simulate"):
        read_events(tmp_path / "gen.parquet", "events")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no Parquet file"):
        read_events(tmp_path / "empty", "events")


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_an_input_error(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_events(path, random_events("events", [50, 60]), "events")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"a\.parquet"):
        read_events(path, "events")


def test_an_error_while_writing_leaves_no_file(tmp_path: Path) -> None:
    def write_half() -> None:
        with EventWriter(tmp_path / "a.parquet", "generated") as writer:
            writer.write(random_events("generated", [2]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_gives_a_one_line_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / ".a.parquet.partial").symlink_to(full)
    with pytest.raises(OutputError, match="disk is full"):
        write_events(tmp_path / "a.parquet", random_events("events", [500]), "events")
    assert list(tmp_path.iterdir()) == []


def test_finished_work_is_recognised_and_other_work_is_not_overwritten(tmp_path: Path) -> None:
    path, provenance = tmp_path / "a.parquet", make_provenance("generated", {"n": 1}, seed=3)
    assert not is_finished(path, provenance)
    write_events(path, random_events("generated", [1]), "generated", provenance)
    assert is_finished(path, provenance)
    assert read_provenance(path) == provenance
    other = make_provenance("generated", {"n": 2}, seed=3)
    with pytest.raises(OutputError, match="--overwrite"):
        is_finished(path, other)
    assert not is_finished(path, other, overwrite=True)


@pytest.mark.parametrize("stage", OPTIONAL_COLLECTIONS)
def test_optional_collections_are_read_where_a_file_has_them(stage: str, tmp_path: Path) -> None:
    plain, full = random_events(stage, [3, 0, 2]), random_events(stage, [3, 0, 2])
    optional = {
        name: Collection(
            schema, np.array([0, 1, 1, 3]), {f.name: np.arange(3) for f in schema.fields}
        )
        for name, schema in OPTIONAL_COLLECTIONS[stage].items()
    }
    full = full.with_collections(**optional)
    write_events(tmp_path / "plain.parquet", plain, stage)
    write_events(tmp_path / "full.parquet", full, stage)
    assert set(read_events(tmp_path / "plain.parquet", stage).collections) == set(STAGES[stage])
    assert_same(full, read_events(tmp_path / "full.parquet", stage))
    with pytest.raises(SchemaError, match=f"no column {min(optional)}"):
        read_events(tmp_path / "plain.parquet", stage, [min(optional)])


def test_an_older_file_without_a_column_is_read_with_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = random_events("generated", [3, 0, 2])
    with monkeypatch.context() as patch:
        old = Schema("particles", tuple(f for f in PARTICLES.fields if f.default is None))
        patch.setitem(STAGES["generated"], "particles", old)  # type: ignore[arg-type]
        write_events(tmp_path / "old.parquet", events, "generated")
    particles = read_events(tmp_path / "old.parquet", "generated").particles
    assert particles.is_overlay.tolist() == [0] * 5
    np.testing.assert_array_equal(particles.energy, events.particles.energy)
