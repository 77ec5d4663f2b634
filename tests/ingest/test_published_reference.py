"""The published definition (mlpf-2.5), compared with MLPF v2.2.0 on the same file."""

import json

import awkward as ak
import numpy as np
import pytest

from partflow.core.features import ELEMENTS
from partflow.core.schemas import JETS, TARGETS
from partflow.label.published import label_published

TOLERANCE = 1e-4
COLUMNS = {"X_track": 16, "X_cluster": 17, "genjet": 4, "targetjet": 4} | {
    f"{kind}_{element}": 13 for kind in ("ytarget", "ycand") for element in ("track", "cluster")
}


def matrix(collection, names):
    return np.stack([collection.columns[n].astype(float) for n in names], axis=1)


def rows(values, offsets, event):
    return values[offsets[event] : offsets[event + 1]]


@pytest.fixture(scope="module")
def names(edm4hep):
    return json.loads((edm4hep / "clic_toy.labels.json").read_text())


@pytest.fixture(scope="module")
def labels(toy):
    return label_published(toy)


@pytest.fixture(scope="module")
def arrays(toy, labels):
    """Our arrays, [event], by the columns of the reference."""
    events = labels.events
    kept = np.isin(toy.event_id, events.event_id)
    num_tracks = toy.tracks.counts[kept]
    published = {
        "X": (events.elements, ELEMENTS.names[:17]),
        "ytarget": (events.targets, TARGETS.names[:13]),
        "ycand": (events.baseline_targets, TARGETS.names[:13]),
    }
    arrays = {}
    for key, (collection, columns) in published.items():
        values = matrix(collection, columns)
        per_event = [rows(values, collection.offsets, i) for i in range(len(events))]
        split = list(zip(per_event, num_tracks, strict=True))
        width = 16 if key == "X" else None
        arrays[f"{key}_track"] = [v[:n, :width] for v, n in split]
        arrays[f"{key}_cluster"] = [v[n:] for v, n in split]
    for key, jets in (("genjet", events.gen_jets), ("targetjet", events.target_jets)):
        values = matrix(jets, JETS.names)
        arrays[key] = [rows(values, jets.offsets, i) for i in range(len(events))]
    return arrays


@pytest.mark.parametrize("column", COLUMNS)
def test_every_event_equals_the_reference(column, arrays, edm4hep, names):
    expected = ak.from_parquet(edm4hep / "clic_toy.expected.parquet")[column]
    assert len(expected) == len(arrays[column]) == len(names["parquet_events"])
    for event, name in enumerate(names["parquet_events"]):
        theirs = np.asarray(ak.to_numpy(expected[event]), float).reshape(-1, COLUMNS[column])
        ours = arrays[column][event]
        if name == "no_reco_particles" and column.startswith("ycand"):
            # The reference has no rows at all where Pandora has no candidate; ours are zero.
            assert len(theirs) == 0
            assert not np.any(ours)
            continue
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE, err_msg=name)


def test_missing_momentum_equals_the_reference(labels, edm4hep):
    expected = ak.to_numpy(ak.from_parquet(edm4hep / "clic_toy.expected.parquet")["genmet"])
    met = labels.events.gen_met
    np.testing.assert_allclose(np.hypot(met.px, met.py), expected, rtol=0, atol=TOLERANCE)


def test_an_event_in_which_nothing_is_visible_is_dropped(toy, labels, names):
    dropped = ~np.isin(toy.event_id, labels.events.event_id)
    assert [names["root_events"][i] for i in np.flatnonzero(dropped)] == ["zero_visible", "empty"]
    assert labels.report.num_without_visible == 2
    assert labels.report.bad_event_ids == ()


def test_the_labels_of_an_event_do_not_depend_on_its_neighbours(toy, labels):
    alone = [label_published(toy[i : i + 1]).events for i in range(len(toy))]
    together = labels.events
    position = 0
    for single in alone:
        for event in range(len(single)):
            for name, collection in together.collections.items():
                expected = collection[position : position + 1]
                for column, values in single.collections[name][event : event + 1].columns.items():
                    np.testing.assert_array_equal(values, expected.columns[column])
            position += 1
    assert position == len(together)


def test_files_of_both_layouts_are_labelled(cld, photons):
    """There is no reference for these; but elements have targets, and jets have targets in them."""
    for events in (cld, photons):
        labelled = label_published(events).events
        assert len(labelled) == len(events)
        assert np.count_nonzero(labelled.targets.pdg_id) > 0
        assert len(labelled.target_jets) > 0
