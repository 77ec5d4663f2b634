import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector_file import describe
from partflow.core.errors import ConfigError, DataError, InputError, OutputError, SchemaError
from partflow.core.features import NUM_FEATURES, feature_matrix
from partflow.core.known_detectors import CLIC
from partflow.core.particles import CLASSES
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, concatenate_events
from partflow.core.schemas import EVENT_WEIGHT, JETS
from partflow.core.store import iterate_events, write_events
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packing import pack


def test_the_arrays_hold_the_labelled_events(tmp_path, make_events, provenance):
    chunks = [make_events([3, 0, 5], 10), make_events([], 50), make_events([7], 90, "qq")]
    data = pack(iter(chunks), tmp_path / "packed", provenance)
    events = concatenate_events(chunks)
    assert np.array_equal(data.features, feature_matrix(events.elements))
    assert data.features.dtype == data.targets.dtype == data.gen_met.dtype == np.float32
    assert np.array_equal(data.offsets, events.elements.offsets)
    assert data.event_id.tolist() == [10, 11, 12, 90]
    assert [data.processes[i] for i in data.process_index] == ["ttbar"] * 3 + ["qq"]
    classes = np.array(CLASSES)[data.targets[:, TargetColumn.CLASS].astype(int)]
    assert np.array_equal(classes, events.targets.pdg_id)
    for column in set(TargetColumn) - {TargetColumn.CLASS}:
        expected = events.targets.columns[column.name.lower()].astype(np.float32)
        assert np.array_equal(data.targets[:, column], expected)
    assert np.array_equal(data.gen_met[:, MetColumn.PX], events.gen_met.px.astype(np.float32))
    assert np.array_equal(data.gen_met[:, MetColumn.PY], events.gen_met.py.astype(np.float32))


def test_the_arrays_do_not_depend_on_how_the_events_are_cut_into_chunks(
    tmp_path, make_events, provenance
):
    events = make_events([3, 0, 5, 1, 8], 10)
    pack([events], tmp_path / "once", provenance)
    pack([events[:2], events[2:2], events[2:]], tmp_path / "bit-by-bit", provenance)
    for file in (tmp_path / "once").iterdir():
        assert file.read_bytes() == (tmp_path / "bit-by-bit" / file.name).read_bytes()


def test_events_from_memory_and_from_a_file_are_packed_alike(tmp_path, make_events, provenance):
    events = make_events([3, 0, 5], 10)
    jets = Collection.empty(JETS, 3)
    file = tmp_path / "labelled.parquet"
    write_events(
        file, events.with_collections(gen_jets=jets, target_jets=jets), "labelled", provenance
    )
    in_memory = pack([events], tmp_path / "in-memory", provenance)
    from_file = pack(iterate_events(file, "labelled"), tmp_path / "from-file", provenance)
    for name in ("features", "targets", "offsets", "event_id", "gen_met"):
        assert np.array_equal(getattr(in_memory, name), getattr(from_file, name))


def test_the_description_names_the_columns_and_the_numbers_of_events_and_elements(dataset):
    text = json.loads((dataset.folder / "dataset.json").read_text())
    assert len(text["features"]) == NUM_FEATURES
    assert text["targets"] == [c.name.lower() for c in TargetColumn]
    assert text["num_events"] == len(dataset) == 400
    assert text["num_elements"] == len(dataset.features) == dataset.counts.sum()
    assert text["num_targets"] == np.count_nonzero(dataset.targets[:, TargetColumn.CLASS])
    assert text["largest_event"] == dataset.counts.max()
    assert Provenance.from_json((dataset.folder / "provenance.json").read_text()).seed == 1


def test_arrays_are_memory_mapped(dataset):
    base = dataset.features
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("collection", "column"), [("elements", "omega_or_num_hits"), ("targets", "eta")]
)
def test_a_value_that_is_not_finite_is_named_with_its_event(
    tmp_path, make_events, provenance, collection, column, value
):
    events = make_events([3, 4], 70)
    events.collections[collection].columns[column][5] = value
    with pytest.raises(DataError, match=f"event 71: {collection}.{column} is {value}"):
        pack([make_events([2], 10), events], tmp_path / "packed", provenance)
    assert not (tmp_path / "packed").exists()


def test_a_missing_momentum_that_is_not_finite_is_named_with_its_event(
    tmp_path, make_events, provenance
):
    events = make_events([3, 4], 70)
    events.gen_met.columns["py"][1] = np.nan
    with pytest.raises(DataError, match=r"event 71: gen_met\.py is nan"):
        pack([events], tmp_path / "packed", provenance)


def test_targets_must_be_parallel_to_elements(tmp_path, make_events, provenance):
    events = make_events([3, 4], 70)
    other = make_events([3, 3], 70)
    with pytest.raises(DataError, match="event 71: 3 targets for elements, not 4"):
        pack([events.with_collections(targets=other.targets)], tmp_path / "packed", provenance)


def test_an_interrupted_packing_leaves_nothing_and_can_be_run_again(
    tmp_path, make_events, provenance
):
    def interrupted():
        yield make_events([3], 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(interrupted(), tmp_path / "packed", provenance)
    assert not (tmp_path / "packed").exists()
    assert len(pack([make_events([3], 1)], tmp_path / "packed", provenance)) == 1


def test_another_data_set_is_replaced_only_with_overwrite(tmp_path, make_events, provenance):
    pack([make_events([3], 1)], tmp_path / "packed", provenance)
    other = Provenance("labelled", {"definition": "another", "detector": "clic"})
    with pytest.raises(OutputError, match="--overwrite"):
        pack([make_events([3, 4], 1)], tmp_path / "packed", other)
    assert len(pack([make_events([3, 4], 1)], tmp_path / "packed", other, overwrite=True)) == 2


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path, make_events, provenance):
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="choose another --output"):
        pack([make_events([3], 1)], tmp_path / "file" / "packed", provenance)


@pytest.mark.parametrize("chunks", [[], [[]], [[0, 0]]], ids=["no chunk", "no event", "no element"])
def test_no_events_or_elements_give_an_empty_data_set(tmp_path, make_events, provenance, chunks):
    data = pack((make_events(counts, 1) for counts in chunks), tmp_path / "packed", provenance)
    assert len(data) == sum(map(len, chunks))
    assert data.features.shape == (0, NUM_FEATURES)
    assert data.targets.shape == (0, len(TargetColumn))
    assert len(data.rows(np.arange(len(data)))) == 0


def test_a_folder_without_a_data_set_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="partflow label"):
        PackedDataset.open(tmp_path)


def test_a_data_set_names_its_detector(tmp_path, make_events):
    detector = replace(
        CLIC,
        name="mine",
        ecal=replace(CLIC.ecal, inner_radius=1520.0, endcap_outer_radius=1722.0),
        hcal=replace(CLIC.hcal, inner_radius=1760.0, endcap_outer_radius=3350.0),
    )
    provenance = Provenance("labelled", {"detector": describe(detector)})
    face = pack([make_events([3], 1)], tmp_path / "packed", provenance).face
    assert (face.detector, face.radius, face.half_length) == ("mine", 1520.0, 2307.0)
    with pytest.raises(SchemaError, match="does not say which detector"):
        pack([make_events([3], 1)], tmp_path / "none", Provenance("labelled"))
    assert not (tmp_path / "none").exists()


def test_a_data_set_of_an_older_format_is_refused(tmp_path, make_events, provenance):
    data = pack([make_events([3], 1)], tmp_path / "packed", provenance)
    path = data.folder / "dataset.json"
    description = json.loads(path.read_text())
    del description["face"]
    path.write_text(json.dumps(description | {"format": 2}))
    with pytest.raises(SchemaError, match="format 2, this version reads 3; make it again with"):
        PackedDataset.open(data.folder)


def test_a_truncated_array_is_an_input_error(tmp_path, make_events, provenance):
    data = pack([make_events([3, 4], 1)], tmp_path / "packed", provenance)
    path = data.folder / "targets.npy"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"targets\.npy"):
        PackedDataset.open(data.folder)


def test_an_array_of_another_size_than_described_is_an_input_error(
    tmp_path, make_events, provenance
):
    data = pack([make_events([3, 4], 1)], tmp_path / "packed", provenance)
    np.save(data.folder / "gen_met.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match=r"gen_met\.npy holds \(3, 2\)"):
        PackedDataset.open(data.folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [("offsets", [0, 5, 3, 7], "falls from 5 to 3 at event 1; the file is damaged"),
     ("offsets", [0, 3, 3, 6], "runs from 0 to 6, dataset.json says from 0 to 7"),
     ("offsets", [0.0, 3.0, 4.0, 7.0], "holds <f8 values, int64 row by row are needed"),
     ("process_index", [0, 1, 0], "event 1 is of process 1 of 1")],
)  # fmt: skip
def test_impossible_offsets_and_processes_are_refused_by_file_and_event(
    tmp_path, make_events, provenance, name, array, message
):
    data = pack([make_events([3, 0, 4], 1)], tmp_path / "packed", provenance)
    np.save(data.folder / f"{name}.npy", np.array(array))
    with pytest.raises(InputError, match=rf"{name}\.npy: {message}"):
        PackedDataset.open(data.folder)


def test_a_half_copied_description_is_refused(tmp_path, make_events, provenance):
    data = pack([make_events([3], 1)], tmp_path / "packed", provenance)
    path = data.folder / "dataset.json"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"dataset\.json: cannot be read"):
        PackedDataset.open(data.folder)
    without = {k: v for k, v in json.loads(text).items() if k != "num_events"}
    path.write_text(json.dumps(without))
    with pytest.raises(SchemaError, match=r"dataset\.json: num_events missing"):
        PackedDataset.open(data.folder)


def test_a_gap_of_zeros_in_a_copied_file_is_named_when_it_is_read(
    tmp_path, make_events, provenance, read_events
):
    data = pack([make_events([3, 4], 60)], tmp_path / "packed", provenance)
    path = data.folder / "features.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-500] + bytes(500))
    damaged = PackedDataset.open(data.folder)
    read_events(damaged, [0])
    with pytest.raises(DataError, match=r"features\.npy: event 61: an element of type 0"):
        read_events(damaged, [0, 1])


def with_weights(events, weights):
    collection = Collection(EVENT_WEIGHT, np.arange(len(events) + 1), {"weight": np.array(weights)})
    return events.with_collections(event_weight=collection)


def test_weights_of_events_are_packed_where_some_differ_from_one(
    tmp_path, make_events, provenance, read_events
):
    chunks = [make_events([3], 10), with_weights(make_events([4, 5], 20), [2.5, -1.0])]
    data = pack(chunks, tmp_path / "packed", provenance)
    assert data.event_weight.tolist() == [1.0, 2.5, -1.0]
    assert read_events(data, [2, 0]).event_weight.tolist() == [-1.0, 1.0]
    ones = pack([with_weights(make_events([3], 1), [1.0])], tmp_path / "ones", provenance)
    assert ones.event_weight is None
    assert not (ones.folder / "event_weight.npy").exists()


def test_weights_may_be_added_to_a_data_set_by_hand(tmp_path, make_events, provenance, read_events):
    data = pack([make_events([3, 4], 60)], tmp_path / "packed", provenance)
    np.save(data.folder / "event_weight.npy", np.array([0.5, 3.0]))
    again = PackedDataset.open(data.folder)
    assert read_events(again, [1]).event_weight.tolist() == [3.0]
    for weights, message in (([0.5], r"holds \(1,\)"), ([1.0, np.nan], "weight of event 1 is nan")):
        np.save(data.folder / "event_weight.npy", np.array(weights))
        with pytest.raises(InputError, match=rf"event_weight\.npy.*{message}"):
            PackedDataset.open(data.folder)


def test_a_weight_that_is_not_finite_is_not_packed(tmp_path, make_events, provenance):
    events = with_weights(make_events([3, 4], 60), [1.0, np.inf])
    with pytest.raises(DataError, match="event 61: its weight is inf"):
        pack([events], tmp_path / "packed", provenance)


@pytest.mark.parametrize("kind", ["features", "targets"])
def test_a_data_set_with_other_columns_is_refused(tmp_path, make_events, provenance, kind):
    data = pack([make_events([3], 1)], tmp_path / "packed", provenance)
    path = data.folder / "dataset.json"
    description = json.loads(path.read_text())
    description[kind][2] = "renamed"
    path.write_text(json.dumps(description))
    with pytest.raises(SchemaError, match=rf"other {kind} \(.*renamed.* differ\)"):
        PackedDataset.open(data.folder)


def test_a_data_set_with_columns_in_another_order_is_refused(tmp_path, make_events, provenance):
    data = pack([make_events([3], 1)], tmp_path / "packed", provenance)
    path = data.folder / "dataset.json"
    description = json.loads(path.read_text())
    description["features"].reverse()
    path.write_text(json.dumps(description))
    with pytest.raises(SchemaError, match="their order differ"):
        PackedDataset.open(data.folder)


def test_a_copy_in_another_process_maps_the_same_files(dataset):
    sent = pickle.dumps(dataset)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).features, dataset.features)


def test_the_split_is_a_partition_of_about_the_requested_fraction(dataset):
    training, validation = dataset.split(0.25)
    assert sorted([*training, *validation]) == list(range(len(dataset)))
    # five standard deviations of a binomial around 100 of 400
    assert abs(len(validation) - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_an_event_stays_in_training_or_validation_when_events_are_added(
    tmp_path, make_events, provenance
):
    few = pack([make_events([1] * 50, 200)], tmp_path / "few", provenance)
    more = pack(
        [make_events([1] * 70, 500), make_events([1] * 50, 200)], tmp_path / "more", provenance
    )
    validation = [{int(data.event_id[i]) for i in data.split(0.3)[1]} for data in (few, more)]
    assert validation[0] == {i for i in validation[1] if i < 250}
    assert 0 < len(validation[0]) < len(validation[1])


def test_a_larger_validation_fraction_only_adds_events_to_the_validation(dataset):
    small, large = (set(dataset.split(f)[1].tolist()) for f in (0.1, 0.2))
    assert small < large
    assert dataset.split(0.0)[1].size == dataset.split(1.0)[0].size == 0


def test_a_fraction_outside_zero_and_one_is_refused(dataset):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        dataset.split(1.5)


def test_batches_tell_which_targets_are_from_the_background(
    tmp_path, make_events, provenance, read_events
):
    events = make_events([30, 0, 50], 10)
    data = pack([events], tmp_path / "packed", provenance)
    is_pu = events.targets.is_pu != 0
    assert 0 < is_pu.sum() < len(is_pu)
    assert np.array_equal(data.is_pu, is_pu)
    assert np.array_equal(read_events(data, [2, 0]).is_pu, np.roll(is_pu, 50))


def test_a_data_set_of_a_former_version_does_not_tell_the_background(
    tmp_path, make_events, provenance, read_events
):
    data = pack([make_events([3, 4], 60)], tmp_path / "packed", provenance)
    (data.folder / "is_pu.npy").unlink()
    former = PackedDataset.open(data.folder)
    assert former.is_pu is None
    batch = read_events(former, [1])
    assert batch.is_pu is None
    assert np.array_equal(batch.targets, data.targets[3:])


def test_background_flags_of_another_number_than_the_elements_are_refused(
    tmp_path, make_events, provenance
):
    data = pack([make_events([3, 4], 60)], tmp_path / "packed", provenance)
    np.save(data.folder / "is_pu.npy", np.zeros(6, bool))
    with pytest.raises(InputError, match=r"is_pu\.npy holds \(6,\)"):
        PackedDataset.open(data.folder)
