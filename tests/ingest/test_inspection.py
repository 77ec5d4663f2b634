import io
import json
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from partflow.core.errors import InputError
from partflow.core.outputs import write_text
from partflow.core.provenance import PROVENANCE_FILE, make_provenance
from partflow.core.records import Collection, Events
from partflow.core.store import write_events
from partflow.ingest.inspection.inspection import inspect
from partflow.ingest.inspection.page import render
from partflow.ingest.tfds.ingestion import ingest_tfds
from partflow.label.published import label_published
from partflow.pipeline import label_events


def page(inspection) -> str:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(render(inspection))
    return console.export_text()


def test_of_an_edm4hep_file_layout_and_missing_parts_are_shown(edm4hep):
    inspection = inspect(edm4hep / "cld_mumuh_240_nohits_10ev.edm4hep.root")
    assert inspection.kind == "EDM4hep, new (_C_member) layout"
    assert inspection.num_events == 10
    assert inspection.objects["tracks"] == 23.8
    assert any("no labels from clusters" in warning for warning in inspection.warnings)
    text = page(inspection)
    assert "new (_C_member)" in text
    assert "no labels from clusters" in text
    assert inspect(edm4hep / "clic_toy.root").kind == "EDM4hep, old (C#0) layout"


def test_of_a_data_set_configurations_and_splits_are_shown(shared_data):
    inspection = inspect(shared_data / "tfds" / "clic_edm_ttbar_pf")
    assert inspection.num_events == 55
    assert inspection.details["configurations"] == "1"
    assert inspection.details["train"] == "50 events in 1 file(s)"
    assert inspection.classes["targets"]["muon"] == 21


def test_of_a_stage_origin_and_what_will_not_work_are_shown(toy, tmp_path):
    provenance = make_provenance("events", {"detector": "no such"}, seed=3)
    without_links = toy.with_collections(
        contributions=Collection.empty(toy.contributions.schema, len(toy)),
        contribution_sources=Collection.empty(toy.contribution_sources.schema, len(toy)),
    )
    write_events(tmp_path / "events" / "a.parquet", without_links, "events", provenance)
    inspection = inspect(tmp_path / "events")
    assert inspection.kind == "partflow stage 'events'"
    assert inspection.num_events == 29
    assert inspection.provenance is not None
    assert inspection.provenance["seed"] == 3
    assert inspection.classes["baseline"]["muon"] == np.sum(toy.baseline.pdg_id == 13)
    warnings = " ".join(inspection.warnings)
    assert "contributions is empty" in warnings
    assert "no such" in warnings
    assert "3" in page(inspection)


def test_of_labelled_events_the_classes_of_targets_are_shown(toy, tmp_path):
    labelled = label_published(toy).events
    write_events(tmp_path / "a.parquet", labelled, "labelled", make_provenance("labelled"))
    inspection = inspect(tmp_path / "a.parquet")
    assert sum(inspection.classes["targets"].values()) == len(labelled.targets)
    assert any("needs two" in warning for warning in inspection.warnings)


@pytest.mark.parametrize(("name", "content"), [("a.root", b"x"), ("a.parquet", b"x"), ("a", b"")])
def test_a_file_that_cannot_be_read_is_a_clean_error(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        inspect(tmp_path / name)


def test_an_unfinished_output_is_named_as_such(tmp_path):
    (tmp_path / "events.partial").mkdir()
    with pytest.raises(InputError, match="unfinished"):
        inspect(tmp_path / "events")


PARTS = {
    "train/events": "events",
    "train/labelled": "labelled events",
    "train/qq.parquet": "generator particles",
    "test/events": "events",
    "model": "trained network",
    "mlpf.parquet": "candidates",
    "report": "report of an evaluation",
}


@pytest.fixture
def several_outputs(toy, tmp_path):
    """A folder that is laid out as that of `partflow demo`."""
    folder = tmp_path / "demo"
    events = make_provenance("events", {"detector": "clic"})
    for name in ("train/events", "test/events"):
        write_events(folder / name / "events-00000.parquet", toy[:5], "events", events)
        write_text(folder / name / PROVENANCE_FILE, events.to_json())
    generated = Events(toy.event_id, toy.process, {"particles": toy.particles})
    write_events(folder / "train" / "qq.parquet", generated, "generated", events)
    labelled = label_events(toy)[0]
    write_events(
        folder / "train" / "labelled" / "a.parquet",
        labelled,
        "labelled",
        make_provenance("labelled"),
    )
    candidates = Events(toy.event_id, toy.process, {"candidates": toy.baseline})
    write_events(folder / "mlpf.parquet", candidates, "candidates", make_provenance("candidates"))
    model = {"format": "partflow-model", "provenance": asdict(make_provenance("model", seed=7))}
    write_text(folder / "model" / "config.json", json.dumps(model))
    write_text(folder / "report" / PROVENANCE_FILE, make_provenance("report").to_json())
    return folder


def test_a_folder_with_several_outputs_lists_what_each_is_and_which_command_reads_it(
    several_outputs,
):
    inspection = inspect(several_outputs)
    assert "7 outputs" in inspection.kind
    titles = {str(p.path.relative_to(several_outputs)): p.title for p in inspection.parts}
    assert titles == PARTS
    parts = {str(p.path.relative_to(several_outputs)): p for p in inspection.parts}
    assert parts["train/events"].num_events == 5
    assert parts["train/qq.parquet"].num_events == 29
    assert parts["train/labelled"].commands == (
        f"partflow train {several_outputs / 'train' / 'labelled'}",
    )
    assert "partflow evaluate" in parts["mlpf.parquet"].commands[0]
    text = page(inspection)
    for name, title in PARTS.items():
        assert any(name in line and title in line for line in text.splitlines()), name


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_a_folder_can_be_inspected_alone(part, several_outputs):
    inspection = inspect(several_outputs / part)
    assert inspection.parts == ()
    assert inspection.path == several_outputs / part
    if part == "model":
        assert inspection.kind == "partflow model"
        assert inspection.provenance is not None
        assert inspection.provenance["seed"] == 7
        assert inspection.commands == (f"partflow reconstruct EVENTS --model {inspection.path}",)


def test_a_folder_inside_such_a_folder_lists_its_own_parts(several_outputs):
    inspection = inspect(several_outputs / "train")
    assert [part.path.name for part in inspection.parts] == ["events", "labelled", "qq.parquet"]


def test_the_splits_of_a_data_set_are_said_to_belong_together(shared_data, tmp_path):
    ingest_tfds([shared_data / "tfds" / "clic_edm_ttbar_pf"], tmp_path / "tfds")
    inspection = inspect(tmp_path / "tfds")
    assert inspection.kind == "labelled events, split into train and test"
    assert inspection.num_events == 55
    assert inspection.commands == (
        f"partflow train {tmp_path / 'tfds' / 'train'}",
        f"partflow export-dataset {tmp_path / 'tfds'} --format tfds",
    )
    train = inspect(tmp_path / "tfds" / "train")
    assert train.details["split"] == "train"
    assert not any("needs two" in warning for warning in train.warnings)


def test_unfinished_and_damaged_parts_are_named(several_outputs):
    (several_outputs / "more.partial").mkdir()
    (several_outputs / "damaged.parquet").write_bytes(b"x")
    inspection = inspect(several_outputs)
    titles = {part.path.name: part.title for part in inspection.parts}
    assert titles["more.partial"] == "unfinished; run its command again"
    assert titles["damaged.parquet"] == "cannot be read"
    assert any("damaged.parquet: not a Parquet file" in warning for warning in inspection.warnings)


def test_edm4hep_files_are_inspected_together_whatever_else_is_in_their_folder(edm4hep):
    inspection = inspect(edm4hep)  # it also holds Parquet and JSON files of another program
    assert inspection.kind.startswith("EDM4hep")
    assert (inspection.num_files, inspection.num_events) == (4, 43)


def test_an_empty_folder_is_a_clean_error(tmp_path):
    with pytest.raises(InputError, match="neither an output of partflow nor"):
        inspect(tmp_path)
