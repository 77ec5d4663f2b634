import json
import pickle
import re
from collections import Counter

import numpy as np
import pytest

from partflow.core.detector_file import describe
from partflow.core.errors import ConfigError, DataError, InputError
from partflow.core.known_detectors import CLD
from partflow.core.provenance import Provenance
from partflow.dataset.mixture import Mixture
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packing import pack
from partflow.dataset.sampler import shuffled_batches


@pytest.fixture(scope="module")
def folders(make_dataset):
    """Three sources of 60, 120 and 30 events with elements; the first has empty events, too."""
    rng = np.random.default_rng(8)
    return [
        make_dataset("ttbar", [*rng.integers(1, 30, 60), 0, 0], 1000, "ttbar"),
        make_dataset("qq", rng.integers(1, 30, 120), 5000, "qq"),
        make_dataset("ww", rng.integers(1, 30, 30), 9000, "ww"),
    ]


def used(mixture, epoch, seed=1):
    """How often an epoch uses each (source, event)."""
    events = mixture.epoch_events(epoch, seed)
    return Counter(zip(events.source_index.tolist(), events.event_index.tolist(), strict=True))


def test_without_weights_an_epoch_is_the_union_of_all_events(folders):
    mixture = Mixture.open(folders, validation_fraction=0.0)
    assert mixture.num_events == 210
    assert [source.weight for source in mixture.sources] == pytest.approx([2 / 7, 4 / 7, 1 / 7])
    for epoch in range(2):
        assert set(used(mixture, epoch).values()) == {1}
        assert len(used(mixture, epoch)) == 210


def test_one_source_has_the_batches_of_its_training_events(folders):
    mixture = Mixture.open(folders[:1], weights=[5.0])
    (source,) = mixture.sources
    expected = shuffled_batches(source.dataset.counts[source.training], 100, 3, 4)
    batches = mixture.batches(4, 100, 3)
    assert [b.event_index.tolist() for b in batches] == [
        source.training[e].tolist() for e in expected
    ]
    assert all(set(batch.pass_index) == {4} for batch in batches)


def test_sources_are_mixed_by_weight_and_none_repeats_an_event_before_all_were_used(folders):
    mixture = Mixture.open(folders, [1, 1, 2], validation_fraction=0.0)
    assert mixture.num_drawn == (53, 52, 105)  # of 210: the largest remainders are rounded up
    total = Counter()
    for epoch in range(8):
        of_epoch = used(mixture, epoch)
        assert sum(of_epoch.values()) == 210
        by_source = Counter()
        for (source, _), number in of_epoch.items():
            by_source[source] += number
        assert tuple(by_source[i] for i in range(3)) == mixture.num_drawn
        total += of_epoch
        for index, source in enumerate(mixture.sources):
            uses = [total[index, event] for event in source.training.tolist()]
            assert max(uses) - min(uses) <= 1


def test_batches_of_a_mixture_hold_events_of_several_sources(folders):
    mixture = Mixture.open(folders, [1, 1, 1])
    batches = mixture.batches(0, 200, 1)
    assert np.mean([len(set(batch.source_index)) for batch in batches]) > 2
    assert mixture.num_batches(0, 200, 1) == len(batches)
    assert max(mixture.counts(batch).sum() for batch in batches) <= 200


def test_an_epoch_depends_on_seed_and_epoch_alone(folders):
    mixture, again = (Mixture.open(folders, [3, 1, 2]) for _ in range(2))
    again.batches(7, 100, 9)

    def rows(mixture, epoch, seed):
        batches = mixture.batches(epoch, 100, seed)
        return [np.stack(batch).tolist() for batch in batches]

    assert rows(mixture, 2, 1) == rows(again, 2, 1)
    assert rows(mixture, 2, 1) != rows(mixture, 3, 1)
    assert rows(mixture, 2, 1) != rows(mixture, 2, 2)


def test_ranks_divide_every_batch_without_overlap(folders):
    mixture = Mixture.open(folders, [1, 2, 1])
    for batch in mixture.batches(0, 60, 1):
        parts = [batch.of_rank(rank, 4) for rank in range(4)]
        sizes = [len(part.event_index) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        for rank, part in enumerate(parts):
            for of_part, of_batch in zip(part, batch, strict=True):
                assert np.array_equal(of_part, of_batch[rank::4])


def test_limits_are_numbers_per_source_and_fewer_events_are_a_subset_of_more(folders):
    few, more = (Mixture.open(folders, train_events=n, validation_events=3) for n in (10, 40))
    for small, large, number in zip(few.sources, more.sources, (40, 40, 40), strict=True):
        assert len(small.training) == 10
        assert len(large.training) <= number
        assert set(small.training) < set(large.training)
        assert 1 <= len(small.validation) <= 3
        assert not set(large.training) & set(large.validation)
    assert few.num_events == 30
    # spread over the data set, not its beginning
    assert few.sources[1].training.max() > 60


def test_validation_events_are_spread_over_the_data_set(folders):
    whole = Mixture.open(folders[1:2], validation_fraction=0.3).sources[0].validation
    some = Mixture.open(folders[1:2], None, None, 10, 0.3).sources[0].validation
    assert some.tolist() == whole[:: -(-len(whole) // 10)].tolist()


def test_the_training_events_validate_where_none_are_left(folders, capsys):
    (source,) = Mixture.open(folders[2:], validation_fraction=0.0).sources
    assert np.array_equal(source.validation, source.training)
    assert "ww: no events are left for validation" in capsys.readouterr().err


def test_processes_of_all_sources_have_one_list(folders):
    assert Mixture.open(folders).processes == ("ttbar", "qq", "ww")


def test_a_mixture_is_sent_to_another_process_with_its_folders_only(folders):
    mixture = Mixture.open(folders, [1, 2, 3])
    sent = pickle.loads(pickle.dumps(mixture))
    assert len(pickle.dumps(mixture)) < 10_000
    assert sent.num_drawn == mixture.num_drawn
    assert np.array_equal(sent.batches(1, 100, 1)[0], mixture.batches(1, 100, 1)[0])


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1, 2], "2 weights for 3 folders of events: give one for each"),
     ([1, 0, 1], "weight 0 of .*qq: it must be positive"),
     ([1, 1, -2], "weight -2 of .*ww: it must be positive"),
     ([np.nan, 1, 1], "weight nan of .*ttbar"),
     ([1, 1, 1e-6], "a fraction of 5e-07 is none of the 210 events")],
)  # fmt: skip
def test_impossible_weights_are_refused(folders, weights, message):
    with pytest.raises(ConfigError, match=message):
        Mixture.open(folders, weights, validation_fraction=0.0)


@pytest.mark.parametrize("name", ["train_events", "validation_events"])
def test_limits_must_be_positive(folders, name):
    with pytest.raises(ConfigError, match=f"{name} = 0; it must be positive"):
        Mixture.open(folders, **{name: 0})


def test_no_folder_and_the_same_folder_twice_are_refused(folders):
    with pytest.raises(ConfigError, match="no events to train on"):
        Mixture.open([])
    for again in (folders[0], folders[0] / ".." / "ttbar", folders[0] / "packed"):
        with pytest.raises(ConfigError, match="given twice"):
            Mixture.open([folders[0], again])


def test_a_source_without_elements_is_refused(folders, make_dataset):
    empty = make_dataset("empty", [0, 0], 1)
    with pytest.raises(DataError, match=r"empty.*: no event with elements to train on among 2"):
        Mixture.open([folders[0], empty])


def test_sources_of_two_detectors_are_refused_by_name(folders, tmp_path, make_events):
    provenance = Provenance("labelled", {"detector": describe(CLD)})
    pack([make_events([3, 4], 1)], tmp_path / "cld" / "packed", provenance)
    with pytest.raises(ConfigError, match=r"ttbar.* and .*cld.*: detectors of clic \(.*cld \("):
        Mixture.open([folders[0], tmp_path / "cld"])


def test_sources_of_two_element_sets_are_refused(folders, tmp_path, make_events, provenance):
    fine = tmp_path / "fine" / "packed"
    pack([make_events([3, 4], 1)], fine, provenance, element_set="fine")
    with pytest.raises(ConfigError, match=r"element sets of final and of fine"):
        Mixture.open([folders[0], fine])


def test_sources_with_and_without_shares_are_refused(folders, tmp_path):
    """A packed data set with an empty list of shares for each event."""
    data = PackedDataset.open(folders[1] / "packed")
    other = tmp_path / "shares" / "packed"
    other.mkdir(parents=True)
    for file in data.folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    description = json.loads((other / "dataset.json").read_text()) | {"num_shares": 0}
    (other / "dataset.json").write_text(json.dumps(description))
    np.save(other / "share_offsets.npy", np.zeros(len(data) + 1, np.int64))
    for name, dtype in (("cluster", "i4"), ("owner", "i4"), ("energy", "f4")):
        np.save(other / f"share_{name}.npy", np.zeros(0, dtype))
    assert Mixture.open([other]).has_shares
    with pytest.raises(ConfigError, match=r"clusters without shares and of clusters with shares"):
        Mixture.open([folders[0], other])


def test_a_source_has_the_name_of_its_folder_made_unique(make_dataset):
    folders = [make_dataset(name, [3, 4] * 5, 100 * i) for i, name in enumerate("abb")]
    names = [source.name for source in Mixture.open(folders).sources]
    assert names == ["a", f"{folders[1].parent.name}/b", f"{folders[2].parent.name}/b"]
    (source,) = Mixture.open([folders[0] / "packed"]).sources
    assert source.name == "a"


@pytest.fixture
def ingested(tmp_path, make_events, provenance):
    """Folders as `partflow ingest --format tfds` writes them, one for each configuration."""
    for number, (name, size) in enumerate([("ttbar", 20), ("ttbar", 40), ("qq", 30)]):
        for split in ("train", "test"):
            output = tmp_path / f"clic_edm_{name}_pf" / str(number + 1)
            events = make_events([5] * size, 1000 * number + 500 * (split == "test"), name)
            pack([events], output / split / "packed", provenance)
    return tmp_path


def test_a_folder_of_ingested_configurations_holds_a_source_for_each(ingested):
    mixture = Mixture.open([ingested], validation_fraction=0.0)
    numbers = {source.name: len(source.training) for source in mixture.sources}
    assert numbers == {
        "clic_edm_qq_pf/3": 30, "clic_edm_ttbar_pf/1": 20, "clic_edm_ttbar_pf/2": 40,
    }  # fmt: skip
    (one,) = Mixture.open([ingested / "clic_edm_ttbar_pf" / "1"]).sources
    assert one.name == "clic_edm_ttbar_pf/1"
    assert one.dataset.folder.parent.name == "train"
    (split,) = Mixture.open([ingested / "clic_edm_ttbar_pf" / "1" / "test"]).sources
    assert (split.name, len(split.dataset)) == ("test", 20)


def test_the_weight_of_a_folder_is_divided_among_its_sources_by_their_events(ingested):
    folders = [ingested / f"clic_edm_{name}_pf" for name in ("qq", "ttbar")]
    mixture = Mixture.open(folders, [1, 3], validation_fraction=0.0)
    weights = [round(source.weight, 6) for source in mixture.sources]
    assert weights == [0.25, 0.25, 0.5]


def test_a_published_data_set_that_is_not_ingested_is_refused_with_the_command(shared_data):
    folder = shared_data / "tfds" / "clic_edm_ttbar_pf"
    command = (
        f"`partflow ingest {folder} --format tfds --output clic_edm_ttbar_pf-labelled` and train "
        "on clic_edm_ttbar_pf-labelled"
    )
    with pytest.raises(InputError, match=re.escape(command)):
        Mixture.open([folder])


def test_a_folder_without_events_says_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match=r"no such folder; make it with `partflow label`"):
        Mixture.open([tmp_path / "none"])
    with pytest.raises(InputError, match=r"no packed data set.*`partflow label`"):
        Mixture.open([tmp_path])
    (tmp_path / "packed.partial").mkdir()
    with pytest.raises(InputError, match=r"packed.partial is unfinished"):
        Mixture.open([tmp_path])
