import numpy as np
import pytest

from partflow.core.errors import DataError, SchemaError
from partflow.core.records import Collection, Events, concatenate, concatenate_events
from partflow.core.schemas import JETS


def jets(*events: list[float]) -> Collection:
    return Collection.from_events(
        JETS, [{"pt": pt, "eta": pt, "phi": pt, "energy": pt} for pt in events]
    )


def test_an_event_keeps_its_objects_when_sliced_taken_and_joined() -> None:
    collection = jets([1, 2], [], [3, 4, 5])
    assert collection[2:3].pt.tolist() == [3, 4, 5]
    assert collection.take(np.array([2, 0])).pt.tolist() == [3, 4, 5, 1, 2]
    joined = concatenate([collection[:1], collection[1:]])
    assert joined.pt.tolist() == collection.pt.tolist()
    assert joined.offsets.tolist() == collection.offsets.tolist()


def test_selecting_objects_keeps_events_that_become_empty() -> None:
    collection = jets([1, 9], [], [8])
    selected = collection.select(collection.pt > 5)
    assert selected.counts.tolist() == [1, 0, 1]
    assert selected.pt.tolist() == [9, 8]
    assert collection.select(collection.pt > 100).counts.tolist() == [0, 0, 0]


def test_indices_within_an_event_become_rows_and_minus_one_stays() -> None:
    collection = jets([1, 2], [], [3, 4, 5])
    assert collection.flat_index(np.array([0, 2, 2]), np.array([1, 0, -1])).tolist() == [1, 2, -1]


def test_rows_have_an_event_and_an_index_within_it() -> None:
    collection = jets([1, 2], [], [3, 4, 5])
    assert collection.event_index.tolist() == [0, 0, 2, 2, 2]
    assert collection.index_in_event.tolist() == [0, 1, 0, 1, 2]
    rows = collection.flat_index(collection.event_index, collection.index_in_event)
    assert rows.tolist() == [0, 1, 2, 3, 4]


def test_a_collection_refuses_columns_that_do_not_fit() -> None:
    columns = {name: np.zeros(2) for name in JETS.names}
    with pytest.raises(DataError, match=r"jets\.pt"):
        Collection(JETS, np.array([0, 2]), {**columns, "pt": np.zeros(3)})
    with pytest.raises(SchemaError, match="no column pt"):
        Collection(JETS, np.array([0, 2]), {k: v for k, v in columns.items() if k != "pt"})
    with pytest.raises(SchemaError, match="unknown column energie; the columns are pt, "):
        Collection(JETS, np.array([0, 2]), {**columns, "energie": np.zeros(2)})
    with pytest.raises(DataError, match="decrease"):
        Collection(JETS, np.array([0, 3, 2]), columns)


def test_events_refuse_a_collection_with_another_number_of_events() -> None:
    with pytest.raises(DataError, match="2 events for 1 event ids"):
        Events(np.array([5]), np.array(["qq"]), {"jets": jets([1], [2])})


def test_concatenated_slices_are_the_original_events() -> None:
    events = Events(np.arange(3), np.array(["qq", "ww", "zh"]), {"jets": jets([1, 2], [], [3])})
    again = concatenate_events([events[:1], events[1:1], events[1:]])
    assert again.event_id.tolist() == [0, 1, 2]
    assert again.process.tolist() == ["qq", "ww", "zh"]
    assert again.jets.counts.tolist() == [2, 0, 1]
