import json
from pathlib import Path

import numpy as np
import pytest
from array_record.python import array_record_module
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partflow.core.detector_file import recorded_detector
from partflow.core.errors import ConfigError, DataError, InputError
from partflow.core.features import TRACK
from partflow.core.provenance import Provenance
from partflow.core.records import concatenate_events
from partflow.core.store import read_events, read_provenance, write_events
from partflow.ingest.tfds.arrays import NUM_ARRAY_COLUMNS, from_events, published_event, to_events
from partflow.ingest.tfds.example import parse_example, serialize_example
from partflow.ingest.tfds.folders import INFO_FILE, find_split_files
from partflow.ingest.tfds.ingestion import ingest_tfds
from partflow.ingest.tfds.reading import read_split_file
from partflow.ingest.tfds.writing import export_tfds

DATASET, VERSION = "clic_edm_ttbar_pf", "2.5.0"
NUMBERS = {"train": 50, "test": 5}
FLOATS = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32))


@pytest.fixture(scope="module")
def sample(shared_data):
    return shared_data / "tfds" / DATASET


@pytest.fixture(scope="module")
def ingested(sample, tmp_path_factory):
    return ingest_tfds([sample], tmp_path_factory.mktemp("tfds")).folders


def records(folder: Path, split: str) -> list[dict[str, np.ndarray]]:
    paths = sorted((folder / "1" / VERSION).glob(f"{DATASET}-{split}.array_record-*"))
    raw = [r for p in paths for r in array_record_module.ArrayRecordReader(str(p)).read_all()]
    return [parse_example(record) for record in raw]


# --- messages -----------------------------------------------------------------------------


@given(st.dictionaries(st.text(max_size=12), FLOATS, max_size=7))
def test_a_message_is_read_as_it_was_written(lists):
    result = parse_example(serialize_example(lists))
    assert result.keys() == lists.keys()
    for key, values in lists.items():
        np.testing.assert_array_equal(result[key], values)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_clean_error(record):
    try:
        result = parse_example(record)
    except DataError:
        return
    assert all(values.dtype == np.dtype("<f4") for values in result.values())


@given(data=st.data())
def test_a_damaged_record_is_an_event_or_a_clean_error(data, sample):
    path = sample / "1" / VERSION / f"{DATASET}-test.array_record-00000-of-00001"
    record = bytearray(array_record_module.ArrayRecordReader(str(path)).read([0])[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(record) - 1))
        record[place] ^= 1 << data.draw(st.integers(0, 7))
    del record[data.draw(st.integers(len(record) // 2, len(record))) :]
    try:
        event = published_event(parse_example(bytes(record)))
    except DataError:
        return
    labelled = to_events([event], np.zeros(1, dtype=np.int64), "x")
    assert len(labelled.elements) == len(labelled.targets) == len(event["X"])


def test_values_that_are_not_packed_are_also_read():
    value = np.float32(1.5).tobytes()
    float_list = b"\x0d" + value + b"\x0d" + value  # field 1, 32 bits, twice
    feature = b"\x12" + bytes([len(float_list)]) + float_list
    entry = b"\x0a\x01a\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    assert parse_example(b"\x0a" + bytes([len(features)]) + features)["a"].tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e.pop("ycand"), "no array 'ycand'"),
        (lambda e: e.update(X=e["X"][:-1]), "of 17 columns"),
        (lambda e: e.update(ytarget=e["ytarget"][:-13]), "rows in 'ytarget'"),
        (lambda e: e["ytarget"].__setitem__(0, 6), "a class in 'ytarget'"),
        (lambda e: e["X"].__setitem__(5, np.nan), "not finite"),
        (lambda e: e["X"].__setitem__(0, 3), "tracks, then clusters"),
        (lambda e: e.update(genmet=np.zeros(2)), "values of 'genmet'"),
    ],
)
def test_an_impossible_event_is_refused_with_a_reason(change, reason, sample):
    event = {key: values.copy() for key, values in records(sample, "test")[0].items()}
    change(event)
    with pytest.raises(DataError, match=reason):
        published_event(event)


# --- data sets ----------------------------------------------------------------------------


def test_the_sample_has_as_many_events_as_its_description_says(ingested):
    result = {s: len(read_events(folder, "labelled")) for s, folder in ingested.items()}
    assert result == NUMBERS


@pytest.mark.parametrize("split", NUMBERS)
def test_labelled_events_hold_the_published_arrays(split, ingested, sample):
    events = read_events(ingested[split], "labelled")
    for result, expected in zip(from_events(events), records(sample, split), strict=True):
        for key, num_columns in NUM_ARRAY_COLUMNS.items():
            np.testing.assert_array_equal(result[key], expected[key].reshape(-1, num_columns))


def test_published_tracks_have_no_position_at_the_calorimeter(ingested):
    """The data do not hold it."""
    elements = read_events(ingested["test"], "labelled").elements
    assert np.any(elements.type == TRACK)
    for name in ("face_region", "face_x", "face_z", "radius_of_outermost_hit"):
        assert not elements.columns[name][elements.type == TRACK].any()


@pytest.mark.parametrize("name", ["clic", "cld"])
def test_published_data_have_the_detector_that_the_user_names(sample, tmp_path, name):
    ingest_tfds([sample], tmp_path / "in", name)
    record = read_provenance(next((tmp_path / "in" / "test").glob("*.parquet")))
    assert recorded_detector(record, "").name == name


def test_written_again_the_sample_is_the_same(ingested, sample, tmp_path):
    folder = next(iter(ingested.values())).parent
    report = export_tfds(folder, tmp_path)
    assert report is not None
    assert report.num_written == NUMBERS
    written = tmp_path / DATASET
    for split in NUMBERS:
        for result, expected in zip(records(written, split), records(sample, split), strict=True):
            assert result.keys() == expected.keys()
            for key, values in expected.items():
                np.testing.assert_array_equal(result[key], values)
    theirs, ours = (
        json.loads((d / "1" / VERSION / INFO_FILE).read_text()) for d in (sample, written)
    )
    for key in ("splits", "name", "version", "configName", "fileFormat"):
        assert ours[key] == theirs[key]
    for name in ("features.json", "metadata.json"):
        theirs, ours = (
            json.loads((d / "1" / VERSION / name).read_text()) for d in (sample, written)
        )
        assert ours == theirs

    again = ingest_tfds([written], tmp_path / "again").folders
    for split, path in ingested.items():
        first, second = read_events(path, "labelled"), read_events(again[split], "labelled")
        for name, collection in first.collections.items():
            for column, values in collection.columns.items():
                np.testing.assert_array_equal(second.collections[name].columns[column], values)


def test_train_and_test_share_no_shard_and_files_are_divided_over_ten_configurations(
    ingested, tmp_path
):
    one = read_events(ingested["test"], "labelled")[:1]
    for number in range(110):
        renamed = type(one)(np.array([number]), one.process, one.collections)
        path = tmp_path / "labelled" / f"labelled-{number:05d}.parquet"
        write_events(path, renamed, "labelled", Provenance("labelled"))
    report = export_tfds(tmp_path / "labelled", tmp_path / "out")
    assert report is not None
    assert report.num_written == {"train": 99, "test": 11}
    assert report.num_configs == 10
    files = find_split_files(tmp_path / "out" / DATASET)
    assert {file.config for file in files} == {str(n) for n in range(1, 11)}
    assert sum(file.num_records for file in files) == 110


def test_one_shard_cannot_be_cut_by_file(ingested, tmp_path):
    with pytest.raises(ConfigError, match="train and test are cut by file"):
        export_tfds(ingested["test"], tmp_path)


def test_an_event_without_a_baseline_candidate_is_left_out(ingested, tmp_path):
    events = read_events(ingested["test"], "labelled")[:2]
    blank = events.baseline_targets
    nothing = type(blank)(
        blank.schema, blank.offsets, {n: np.zeros_like(v) for n, v in blank.columns.items()}
    )
    empty = events.with_collections(baseline_targets=nothing)
    both = concatenate_events([events, empty])
    for number in range(2):
        write_events(tmp_path / "in" / f"{number}.parquet", both, "labelled", Provenance("x"))
    report = export_tfds(tmp_path / "in", tmp_path / "out")
    assert report is not None
    assert report.num_without_candidate == 4
    assert report.num_written == {"train": 2, "test": 2}


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_a_clean_error(keep, sample, tmp_path):
    (file,) = (f for f in find_split_files(sample) if f.split == "test")
    content = file.path.read_bytes()
    (tmp_path / "a").write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match=r"complete\?"):
        list(read_split_file(file._replace(path=tmp_path / "a")))


def test_a_bad_record_is_skipped_and_reported(ingested, sample, tmp_path):
    good = records(sample, "test")
    bad = dict(good[2])
    bad.pop("genmet")
    folder = tmp_path / DATASET / "1" / VERSION
    folder.mkdir(parents=True)
    name = f"{DATASET}-test.array_record-00000-of-00001"
    writer = array_record_module.ArrayRecordWriter(str(folder / name), "group_size:1")
    for event in (good[0], bad, good[1]):
        writer.write(serialize_example(event))
    writer.close()
    info = json.loads((sample / "1" / VERSION / INFO_FILE).read_text())
    info["splits"] = [{**info["splits"][1], "shardLengths": ["3"]}]
    (folder / INFO_FILE).write_text(json.dumps(info))
    folders = ingest_tfds([tmp_path / DATASET], tmp_path / "out").folders
    assert len(read_events(folders["test"], "labelled")) == 2
    report = json.loads((folders["test"] / "ingest-report.json").read_text())
    assert report["files"][0]["left_out"] == [
        {"entry": 1, "event_number": None, "reason": "no array 'genmet' in the record"}
    ]


def test_a_damaged_file_is_skipped_and_reported_and_the_others_are_read(sample, tmp_path):
    import shutil

    shutil.copytree(sample, tmp_path / DATASET)
    second = tmp_path / DATASET / "2" / VERSION
    shutil.copytree(sample / "1" / VERSION, second)
    name = f"{DATASET}-test.array_record-00000-of-00001"
    (second / name).chmod(0o644)
    (second / name).write_bytes((second / name).read_bytes()[:20_000])
    result = ingest_tfds([tmp_path / DATASET], tmp_path / "out")
    numbers = {s: len(read_events(folder, "labelled")) for s, folder in result.folders.items()}
    assert numbers == {"train": 100, "test": 5}
    with pytest.raises(InputError, match="1 of 4 files"):
        result.report.raise_if_failed("out")
