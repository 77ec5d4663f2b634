"""Energy shares, from the labels to a batch."""

import json
import pickle

import numpy as np
import pytest
import torch

from partflow.core.errors import DataError, InputError
from partflow.core.records import Collection, concatenate_events, offsets_from_counts
from partflow.core.schemas import JETS, SHARES
from partflow.core.store import iterate_events, write_events
from partflow.dataset.batches import batch_of_elements
from partflow.dataset.loader import read_batch
from partflow.dataset.mixture import Mixture, Selection
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packing import pack


def with_shares(events, seed=0):
    """Events whose clusters are divided among up to two elements of their event and -1."""
    rng = np.random.default_rng(seed)
    elements = events.elements
    rows = []
    for row in np.flatnonzero(elements.type == 2):
        event = elements.event_index[row]
        first, number = elements.offsets[event], elements.counts[event]
        elements.columns["energy"][row] = rng.uniform(0.5, 20)
        owners = np.unique(np.append(rng.integers(0, number, rng.integers(0, 3)), -1))
        parts = rng.dirichlet(np.ones(len(owners))) * elements.energy[row]
        rows += [(event, row - first, o, e) for o, e in zip(owners, parts, strict=True)]
    event, cluster, owner, energy = np.array(rows).reshape(-1, 4).T
    counts = np.bincount(event.astype(int), minlength=len(events))
    columns = {"cluster_element": cluster, "owner_element": owner, "energy_em": energy}
    shares = Collection(SHARES, offsets_from_counts(counts), columns)
    return events.with_collections(shares=shares)


@pytest.fixture
def chunks(make_events):
    return [
        with_shares(make_events([6, 0, 5], 10)),
        with_shares(make_events([], 50)),
        with_shares(make_events([9, 1], 90)),
    ]


def test_shares_are_packed_as_they_were_labelled(tmp_path, chunks, provenance):
    data = pack(iter(chunks), tmp_path / "packed", provenance, element_set="fine")
    shares = concatenate_events(chunks).shares
    assert len(shares) > 10
    assert data.element_set == "fine"
    assert np.array_equal(data.shares.offsets, shares.offsets)
    assert np.array_equal(data.shares.cluster, shares.cluster_element)
    assert np.array_equal(data.shares.owner, shares.owner_element)
    assert np.array_equal(data.shares.energy_em, shares.energy_em)
    text = json.loads((data.folder / "dataset.json").read_text())
    assert text["num_shares"] == len(shares)


def test_shares_from_memory_and_from_a_file_are_packed_alike(tmp_path, chunks, provenance):
    jets = Collection.empty(JETS, 3)
    file = tmp_path / "labelled.parquet"
    events = chunks[0].with_collections(gen_jets=jets, target_jets=jets)
    write_events(file, events, "labelled", provenance)
    in_memory = pack([chunks[0]], tmp_path / "in-memory", provenance)
    from_file = pack(iterate_events(file, "labelled"), tmp_path / "from-file", provenance)
    for name in ("offsets", "cluster", "owner", "energy_em"):
        assert np.array_equal(getattr(in_memory.shares, name), getattr(from_file.shares, name))


def test_a_data_set_of_labels_without_shares_has_none(dataset, read_events):
    assert dataset.shares is None
    assert dataset.element_set == "final"
    assert read_events(dataset, np.arange(3)).shares is None
    assert not list(dataset.folder.glob("share_*"))


def test_shares_of_a_batch_refer_to_its_rows(tmp_path, chunks, provenance, read_events):
    data = pack(chunks, tmp_path / "packed", provenance)
    events = np.array([3, 1, 0])
    batch = read_events(data, events, 2, augmentation_seed=1)
    labelled = concatenate_events(chunks)
    expected = []
    for place, event in enumerate(events):
        shares, first = labelled.shares[event : event + 1], int(batch.offsets[place])
        expected += [
            (first + c, first + o if o >= 0 else -1, e)
            for c, o, e in zip(
                shares.cluster_element, shares.owner_element, shares.energy_em, strict=True
            )
        ]
    found = zip(*(column.tolist() for column in batch.shares), strict=True)
    assert list(found) == [(c, o, pytest.approx(e)) for c, o, e in expected]
    total = torch.zeros(len(batch)).index_add(0, batch.shares.cluster, batch.shares.energy_em)
    energy = torch.where(batch.is_cluster, batch.features[:, 5], 0.0)
    assert torch.allclose(total, energy, rtol=1e-5)


def test_shares_of_a_mixed_batch_refer_to_its_rows(tmp_path, chunks, provenance):
    datasets = {
        name: pack(content, tmp_path / name, provenance)
        for name, content in (("first", chunks[:1]), ("second", chunks[1:]))
    }
    mixture = Mixture.of(datasets, validation_fraction=0.0)
    events = Selection(np.array([1, 0, 1, 0]), np.array([1, 2, 0, 0]), np.zeros(4, int))
    batch = read_batch(mixture, events)
    expected = []
    for place, (source, event) in enumerate(zip(*events[:2], strict=True)):
        data = datasets[("first", "second")[source]]
        here = slice(data.shares.offsets[event], data.shares.offsets[event + 1])
        first = int(batch.offsets[place])
        for c, o, e in zip(
            data.shares.cluster[here],
            data.shares.owner[here],
            data.shares.energy_em[here],
            strict=True,
        ):
            expected.append((first + c, first + o if o >= 0 else -1, e))
    assert list(zip(*(column.tolist() for column in batch.shares), strict=True)) == expected
    total = torch.zeros(len(batch)).index_add(0, batch.shares.cluster, batch.shares.energy_em)
    energy = torch.where(batch.is_cluster, batch.features[:, 5], 0.0)
    assert torch.allclose(total, energy, rtol=1e-5)


def test_shares_move_with_their_batch(tmp_path, chunks, provenance, read_events):
    data = pack(chunks, tmp_path / "packed", provenance)
    batch = read_events(data, np.arange(2))
    assert all(column.device.type == "meta" for column in batch.to("meta").shares)
    sent = pickle.loads(pickle.dumps(data))
    assert np.array_equal(sent.shares.energy_em, data.shares.energy_em)
    assert not hasattr(batch_of_elements(chunks[0].elements, chunks[0].event_id), "shares")


def changed(events, column, row, value):
    shares = events.shares
    columns = {name: values.copy() for name, values in shares.columns.items()}
    columns[column][row] = value
    return events.with_collections(shares=Collection(SHARES, shares.offsets, columns))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("energy_em", 50.0, "event 10: shares of an element sum to"),
     ("energy_em", np.nan, "event 10: shares of an element sum to nan GeV"),
     ("owner_element", 6, r"event 10: shares\.owner_element is 6 of 6 elements"),
     ("cluster_element", -1, r"event 10: shares\.cluster_element is -1 of 6"),
     ("cluster_element", 0, "event 10: shares of an element sum to")],
)  # fmt: skip
def test_impossible_shares_are_refused(tmp_path, chunks, provenance, column, value, message):
    """Shares that do not sum to the energy, of elements that do not exist, and of a track."""
    with pytest.raises(DataError, match=message):
        pack([changed(chunks[0], column, 0, value)], tmp_path / "packed", provenance)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("order", [1, -1])
def test_shares_in_some_shards_only_are_refused(tmp_path, make_events, chunks, provenance, order):
    mixed = [chunks[0], make_events([3], 70)][::order]
    with pytest.raises(DataError, match="only some of the shards"):
        pack(mixed, tmp_path / "packed", provenance)


def test_a_truncated_array_of_shares_is_an_input_error(tmp_path, chunks, provenance):
    data = pack(chunks, tmp_path / "packed", provenance)
    np.save(data.folder / "share_owner.npy", np.zeros(3, np.int32))
    with pytest.raises(InputError, match=r"share_owner\.npy holds \(3,\)"):
        PackedDataset.open(data.folder)


@pytest.mark.parametrize(
    ("name", "value"), [("share_cluster", -1), ("share_cluster", 6), ("share_owner", 6)]
)
def test_a_share_of_an_element_that_the_event_lacks_is_named_when_it_is_read(
    tmp_path, chunks, provenance, read_events, name, value
):
    data = pack(chunks, tmp_path / "packed", provenance)
    path = data.folder / f"{name}.npy"
    array = np.load(path)
    array[0] = value
    np.save(path, array)
    read_events(PackedDataset.open(data.folder), [2, 3])
    with pytest.raises(DataError, match=rf"{name}\.npy: event 10: a share of element {value} of 6"):
        read_events(PackedDataset.open(data.folder), [2, 0])
