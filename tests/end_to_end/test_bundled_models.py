"""Models that come with the package: listed, found by name, and chosen for events."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from partflow import pipeline
from partflow.core.provenance import Provenance
from partflow.core.store import read_events, read_provenance, shards, write_events
from partflow.generate import GenerationConfig
from partflow.model import bundled
from partflow.model.files import WEIGHTS_FILE
from partflow.model.folder import load_config, load_provenance
from tests.model.bundling import put_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated events, `events`, and the same after an export to EDM4hep, `ingested`."""
    folder = tmp_path_factory.mktemp("events")
    pipeline.generate(GenerationConfig("qq", 4, seed=3), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events")
    pipeline.label(folder / "events", folder / "labelled")
    pipeline.export_dataset(folder / "events", folder / "edm4hep", "edm4hep")
    pipeline.ingest([folder / "edm4hep"], folder / "ingested")
    return folder


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the package's models."""
    monkeypatch.setattr(bundled, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def with_provenance(
    events: Path, copy: Path, change: Callable[[Provenance], Provenance], number: int = 0
) -> Path:
    """Copies of the shards of `events` in the folder `copy` with a changed provenance."""
    for file in shards(events, "events"):
        provenance = change(read_provenance(file))
        stored = read_events(file, "events")
        write_events(copy / f"{number}-{file.name}", stored, "events", provenance)
    return copy


def changed(**settings: object) -> Callable[[Provenance], Provenance]:
    """A change of the configuration in a provenance; None leaves a setting out."""

    def change(provenance: Provenance) -> Provenance:
        config = {**provenance.config, **settings}
        return replace(provenance, config={k: v for k, v in config.items() if v is not None})

    return change


def model_of(candidates: Path) -> object:
    return read_provenance(candidates).config["model"]


def test_the_list_says_for_which_events_a_model_is(weights: Path, run: Run) -> None:
    put_model("partflow-clic-fast-v1")
    put_model("partflow-cld-geant4-v2", "geant4", "cld", seed=7)
    status, table, said = run("models", "list")
    assert status == 0 and said == ""
    rows = [line.replace("│", " ").split() for line in table.splitlines() if line[:1] == "│"]
    (clic,) = (row for row in rows if row[0] == "partflow-clic-fast-v1")
    assert clic[1:5] == ["clic", "fast", "simulation", "final"]
    (cld,) = (row for row in rows if row[0] == "partflow-cld-geant4-v2")
    assert cld[1:8] == ["cld", "Geant4", "final", "0.01", "M", "0.0", "MB"]
    assert "[seed" in table  # brackets of a description are no markup
    assert "cannot be used" not in table


def test_the_list_says_that_there_are_none(weights: Path, run: Run) -> None:
    status, printed, _ = run("models", "list")
    assert status == 0
    assert printed.startswith("No models are installed") and printed.count("\n") == 1


def test_the_list_names_models_that_cannot_be_used(weights: Path, run: Run) -> None:
    (put_model("partflow-clic-fast-v1") / WEIGHTS_FILE).write_bytes(b"")
    status, printed, _ = run("models", "list")
    assert status == 0
    assert printed.startswith("cannot be used: ") and printed.count("\n") == 1
    assert "partflow-clic-fast-v1/model.safetensors: damaged" in printed


def test_path_prints_the_folder_and_nothing_else(weights: Path, run: Run) -> None:
    folder = put_model("partflow-clic-fast-v1")
    assert run("models", "path", "clic-fast") == (0, f"{folder}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("path", "clic-fats"), "did you mean 'clic-fast'"),
        (("path",), "no NAME"),
        (("list", "clic-fast"), "takes no name"),
    ],
)
def test_a_mistake_has_status_2(
    words: tuple[str, ...], message: str, weights: Path, run: Run
) -> None:
    put_model("partflow-clic-fast-v1")
    status, printed, said = run("models", *words)
    assert (status, printed) == (2, "")
    assert said.startswith("partflow: error: ") and said.count("\n") == 1
    assert message in said


def test_reconstruct_chooses_by_the_origin_of_the_events(
    folder: Path, weights: Path, run: Run, tmp_path: Path
) -> None:
    put_model("partflow-clic-fast-v1")
    put_model("partflow-clic-geant4-v1", "geant4")
    put_model("partflow-cld-fast-v1", detector="cld")
    of_fast = folder / "events"
    of_geant4 = with_provenance(of_fast, tmp_path / "geant4", changed(engine="geant4"))
    of_unknown = with_provenance(of_fast, tmp_path / "unknown", changed(engine=None))
    of_cld = with_provenance(of_fast, tmp_path / "cld", changed(detector="cld"))
    of_both = with_provenance(of_fast, tmp_path / "both", changed())
    with_provenance(of_fast, of_both, changed(engine="geant4"), number=1)
    for events, name, why in (
        (of_fast, "partflow-clic-fast-v1", "of clic, made by the fast simulation"),
        (of_geant4, "partflow-clic-geant4-v1", "of clic, made by Geant4"),
        (folder / "ingested", "partflow-clic-geant4-v1", "ingested from a full simulation"),
        (of_unknown, "partflow-clic-fast-v1", "do not say how they were simulated"),
        (of_both, "partflow-clic-fast-v1", "do not say how they were simulated"),
        (of_cld, "partflow-cld-fast-v1", "of cld, made by the fast simulation"),
    ):
        output = tmp_path / f"{events.name}.parquet"
        status, printed, said = run("reconstruct", events, "--output", output)
        assert (status, printed) == (0, ""), said
        (line,) = (line for line in said.splitlines() if "Using the bundled model" in line)
        assert name in line and why in line and str(events) in line
        assert model_of(output) == name


def test_the_model_that_is_chosen_gives_the_candidates_of_its_name(
    folder: Path,
    weights: Path,
    run: Run,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    put_model("partflow-clic-fast-v1")
    output = tmp_path / "mlpf.parquet"
    pipeline.reconstruct(folder / "events", None, output)
    capfd.readouterr()
    words = ("reconstruct", folder / "events", "--model", "clic-fast", "--output", output)
    status, _, said = run(*words)
    assert status == 0 and "finished already" in said and "Using" not in said


def test_events_without_a_fitting_model_are_refused_in_one_line(
    folder: Path, weights: Path, run: Run, tmp_path: Path
) -> None:
    output = tmp_path / "mlpf.parquet"
    for names in ((), ("partflow-cld-fast-v1", "partflow-cld-fine-v2")):
        for name in names:
            put_model(name, detector="cld")
        status, printed, said = run("reconstruct", folder / "events", "--output", output)
        assert (status, printed) == (2, "")
        assert said.startswith("partflow: error: ") and said.count("\n") == 1
        for part in (str(folder / "events"), "of clic", *names, "--model", "--adapt-detector"):
            assert part in said
        assert not output.exists()
    words = ("reconstruct", folder / "events", "--output", output, "--model", "cld-fast")
    assert run(*words)[0] == 2  # a network of another detector is still named twice
    assert run(*words, "--adapt-detector")[0] == 0
    assert model_of(output) == "partflow-cld-fast-v1"


def test_a_training_starts_from_a_bundled_model(
    folder: Path, weights: Path, run: Run, tmp_path: Path
) -> None:
    put_model("partflow-clic-fast-v1", head="sharing")
    words = ("train", folder / "labelled", "--init", "clic-fast", "--epochs", 1, "--threads", 1)
    status, _, said = run(*words, "--dry-run")
    assert status == 0, said
    assert run(*words, "--output", tmp_path / "run")[0] == 0
    assert load_config(tmp_path / "run").dim == load_config("clic-fast").dim == 16  # type: ignore[union-attr]
    provenance = load_provenance(tmp_path / "run")
    assert provenance is not None and "partflow-clic-fast-v1" in provenance.inputs
    status, _, said = run(*words[:3], "clic-fats", "--output", tmp_path / "none")
    assert status == 2 and "did you mean 'clic-fast'" in said
