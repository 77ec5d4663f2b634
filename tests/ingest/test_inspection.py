import io

import numpy as np
import pytest
from rich.console import Console

from partflow.core.errors import InputError
from partflow.core.provenance import make_provenance
from partflow.core.records import Collection
from partflow.core.store import write_events
from partflow.ingest.inspection import inspect
from partflow.ingest.inspection_page import render
from partflow.label.published import label_published


def page(inspection) -> str:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(render(inspection))
    return console.export_text()


def test_an_edm4hep_file_says_its_layout_and_what_it_lacks(edm4hep):
    found = inspect(edm4hep / "cld_mumuh_240_nohits_10ev.edm4hep.root")
    assert found.kind == "EDM4hep, new (_C_member) layout"
    assert found.num_events == 10
    assert found.objects["tracks"] == 23.8
    assert any("no labels from clusters" in warning for warning in found.warnings)
    text = page(found)
    assert "new (_C_member)" in text
    assert "no labels from clusters" in text
    assert inspect(edm4hep / "clic_toy.root").kind == "EDM4hep, old (C#0) layout"


def test_a_data_set_says_its_configurations_and_splits(shared_data):
    found = inspect(shared_data / "tfds" / "clic_edm_ttbar_pf")
    assert found.num_events == 55
    assert found.details["configurations"] == "1"
    assert found.details["train"] == "50 events in 1 file(s)"
    assert found.classes["targets"]["muon"] == 21


def test_a_stage_says_where_it_comes_from_and_what_will_not_work(toy, tmp_path):
    record = make_provenance("events", {"detector": "no such"}, seed=3)
    without_links = toy.with_collections(
        contributions=Collection.empty(toy.contributions.schema, len(toy)),
        contribution_sources=Collection.empty(toy.contribution_sources.schema, len(toy)),
    )
    write_events(tmp_path / "events" / "a.parquet", without_links, "events", record)
    found = inspect(tmp_path / "events")
    assert found.kind == "partflow stage 'events'"
    assert found.num_events == 29
    assert found.provenance is not None
    assert found.provenance["seed"] == 3
    assert found.classes["baseline"]["muon"] == np.sum(toy.baseline.pdg_id == 13)
    warnings = " ".join(found.warnings)
    assert "contributions is empty" in warnings
    assert "no such" in warnings
    assert "3" in page(found)


def test_labelled_events_say_what_their_elements_become(toy, tmp_path):
    labelled = label_published(toy).events
    write_events(tmp_path / "a.parquet", labelled, "labelled", make_provenance("labelled"))
    found = inspect(tmp_path / "a.parquet")
    assert sum(found.classes["targets"].values()) == len(labelled.targets)
    assert any("needs two" in warning for warning in found.warnings)


@pytest.mark.parametrize(("name", "content"), [("a.root", b"x"), ("a.parquet", b"x"), ("a", b"")])
def test_what_is_nothing_of_ours_is_a_clean_error(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        inspect(tmp_path / name)


def test_an_unfinished_output_is_said_to_be_one(tmp_path):
    (tmp_path / "events.partial").mkdir()
    with pytest.raises(InputError, match="unfinished"):
        inspect(tmp_path / "events")
