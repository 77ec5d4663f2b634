"""Full-simulation files and published data sets through the command line."""

from collections.abc import Callable
from pathlib import Path

from partflow.core.store import num_events
from partflow.dataset.packed import PackedDataset

Run = Callable[..., tuple[int, str, str]]


def test_full_simulation_is_ingested_evaluated_and_inspected(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    files = sorted((shared_data / "edm4hep").glob("cld_*.root"))
    events, report = tmp_path / "events", tmp_path / "report"
    assert run("ingest", *files, "--detector", "cld", "--output", events)[0] == 0
    assert num_events(events, "events") == 11
    status, table, _ = run("evaluate", events, "--no-plots", "--output", report)
    assert status == 0
    assert "baseline" in table
    assert (report / "index.html").is_file()
    assert not (report / "plots").exists()
    status, page, _ = run("inspect", events)
    assert status == 0
    assert "cld" in page


def test_events_are_exported_as_edm4hep_and_ingested_again(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    files = [shared_data / "edm4hep" / name for name in ("clic_toy.root",)]
    events, out, again = tmp_path / "events", tmp_path / "out", tmp_path / "again"
    assert run("ingest", *files, "--output", events)[0] == 0
    assert run("export-dataset", events, "--format", "edm4hep", "--output", out)[0] == 0
    assert run("ingest", out, "--output", again)[0] == 0
    assert num_events(again, "events") == num_events(events, "events") == 29


def test_published_data_sets_are_ingested_and_the_published_definition_labels_events(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    toy = shared_data / "edm4hep" / "clic_toy.root"
    assert run("ingest", toy, "--output", tmp_path / "toy")[0] == 0
    labelled = tmp_path / "labelled"
    label = ("label", tmp_path / "toy", "--definition", "mlpf-2.5", "--output", labelled)
    assert run(*label)[0] == 0
    assert num_events(labelled, "labelled") == 27
    published = shared_data / "tfds" / "clic_edm_ttbar_pf"
    assert run("ingest", published, "--format", "tfds", "--output", tmp_path / "tfds")[0] == 0
    assert num_events(tmp_path / "tfds" / "train", "labelled") == 50
    assert num_events(tmp_path / "tfds" / "test", "labelled") == 5
    assert PackedDataset.open(tmp_path / "tfds" / "train" / "packed").face.detector == "clic"


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_ingested(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "broken.root").write_bytes(b"root, but not really")
    good = shared_data / "edm4hep" / "clic_gamma_10gev_3ev.edm4hep.root"
    status, _, said = run("ingest", tmp_path / "broken.root", good, "--output", tmp_path / "events")
    assert status != 0
    assert "broken.root" in said
    assert num_events(tmp_path / "events", "events") == 3
