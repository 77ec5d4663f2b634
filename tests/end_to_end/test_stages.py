"""A small sample through all stages, and the error messages for mistakes."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from partflow import pipeline
from partflow.core.features import build_elements
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.core.store import read_events, write_events
from partflow.generate import GenerationConfig, generate
from partflow.simulate.config import SimulationConfig

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the output of every stage for twelve events."""
    folder = tmp_path_factory.mktemp("stages")
    pipeline.generate(GenerationConfig("qq", 12, seed=3), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events")
    pipeline.label(folder / "events", folder / "labelled")
    pipeline.train(folder / "labelled", folder / "run", preset="tiny", epochs=1, threads=1)
    pipeline.reconstruct(folder / "events", str(folder / "run"), folder / "mlpf.parquet")
    candidates = {"mlpf": folder / "mlpf.parquet"}
    pipeline.evaluate(folder / "events", candidates, folder / "report", plots=False)
    return folder


def test_the_report_compares_the_network_with_baseline_perfect_and_target(outputs: Path) -> None:
    metrics = json.loads((outputs / "report" / "metrics.json").read_text())
    assert metrics["num_events"] == 12
    for part in ("jets", "met", "particles"):
        assert {"mlpf", "baseline", "perfect", "target"} <= set(metrics[part])
    jets = metrics["jets"]
    assert jets["target"]["median"] == pytest.approx(1.0, abs=0.01)
    assert jets["perfect"]["iqr_over_median"] < jets["baseline"]["iqr_over_median"]
    assert len({jets[name]["num_gen"] for name in jets}) == 1


def test_inspect_says_what_the_output_of_each_stage_is_and_which_verbs_read_it(
    outputs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    status, page, _ = run("inspect", outputs)
    assert status == 0
    for part, title, verb in (
        ("events", "events", "label"),
        ("gen.parquet", "generator particles", "simulate"),
        ("labelled", "labelled events", "train"),
        ("mlpf.parquet", "candidates", "evaluate"),
        ("report", "report of an evaluation", "compare"),
        ("run", "trained network", "reconstruct"),
    ):
        assert re.search(rf"^ *{part} +{title} +(12 +)?{verb}", page, re.MULTILINE), part


def test_a_finished_stage_is_not_done_again(outputs: Path, run: Run) -> None:
    before = (outputs / "mlpf.parquet").stat().st_mtime_ns
    words = ("reconstruct", outputs / "events", "--model", outputs / "run")
    status, _, said = run(*words, "--output", outputs / "mlpf.parquet")
    assert status == 0
    assert "finished already" in said
    assert (outputs / "mlpf.parquet").stat().st_mtime_ns == before


def test_embeddings_and_attention_maps_are_written_on_request(
    outputs: Path, run: Run, tmp_path: Path
) -> None:
    events = read_events(outputs / "events", "events", []).event_id
    words = ("reconstruct", outputs / "events", "--model", outputs / "run")
    output = tmp_path / "out.parquet"
    latents = ("--save-embeddings", "--save-attention", events[3], events[5])
    assert run(*words, "--output", output, *latents)[0] == 0
    assert pq.read_table(output).equals(pq.read_table(outputs / "mlpf.parquet"))
    embeddings = pq.read_table(tmp_path / "out.embeddings.parquet")
    assert embeddings["event_id"].to_pylist() == events.tolist()
    attention = pq.read_table(tmp_path / "out.attention.parquet")
    assert set(attention["event_id"].to_pylist()) == {events[3], events[5]}

    status, _, said = run(*words, "--output", tmp_path / "x.parquet", "--save-attention", 12)
    assert status == 2 and "holds no event 12" in said
    status, _, said = run(
        "reconstruct", outputs / "events", "--model", "baseline", "--save-embeddings",
        "--output", tmp_path / "x.parquet",
    )  # fmt: skip
    assert status == 2 and "neither embeddings nor attention" in said
    assert not (tmp_path / "x.parquet").exists()


def test_the_baseline_can_be_written_like_any_candidates(outputs: Path, tmp_path: Path) -> None:
    pipeline.reconstruct(outputs / "events", "baseline", tmp_path / "rules.parquet")
    written = read_events(tmp_path / "rules.parquet", "candidates").candidates
    stored = read_events(outputs / "events", "events", ["baseline"]).baseline
    np.testing.assert_array_equal(written.energy, stored.energy)


def test_two_workers_write_the_bytes_that_one_writes(outputs: Path, tmp_path: Path) -> None:
    # Several row groups, so that both workers have something to do.
    for number, seed in enumerate((3, 4, 5)):
        pipeline.generate(GenerationConfig("uds", 3, seed, 91.2), tmp_path / f"{number}.parquet")
    files = [tmp_path / f"{number}.parquet" for number in range(3)]
    pipeline.simulate(files, tmp_path / "one", workers=1)
    pipeline.simulate(files, tmp_path / "two", workers=2)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert len(names) == 4
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_event_does_not_depend_on_its_neighbours() -> None:
    (generated,) = generate(GenerationConfig("qq", 5, seed=8))
    config = SimulationConfig()
    together = pipeline.simulate_events(generated, CLIC, config)
    alone = pipeline.simulate_events(generated[3:4], CLIC, config)
    for name, collection in alone.collections.items():
        for column, values in collection.columns.items():
            expected = together[3:4].collections[name].columns[column]
            np.testing.assert_array_equal(values, expected, err_msg=f"{name}.{column}")


def test_empty_events_pass_all_stages(outputs: Path, tmp_path: Path) -> None:
    (full,) = generate(GenerationConfig("uds", 1, seed=2, energy=91.2))
    nothing = Events(
        np.array([7, 9]), np.array(["uds", "uds"]), {"particles": Collection.empty(PARTICLES, 2)}
    )
    neutral = full.particles.select(full.particles.charge == 0)
    charged_only = full.particles.select(np.abs(full.particles.pdg_id) == 13)
    for name, events in {
        "nothing": nothing,
        "no-tracks": Events(full.event_id, full.process, {"particles": neutral}),
        "few": Events(full.event_id, full.process, {"particles": charged_only}),
        "no-events": nothing[:0],
    }.items():
        folder = tmp_path / name
        write_events(folder / "gen.parquet", events, "generated")
        pipeline.simulate([folder / "gen.parquet"], folder / "events")
        pipeline.label(folder / "events", folder / "labelled")
        model = str(outputs / "run")
        pipeline.reconstruct(folder / "events", model, folder / "mlpf.parquet")
        reconstructed = read_events(folder / "mlpf.parquet", "candidates")
        assert reconstructed.event_id.tolist() == events.event_id.tolist()
    for name, num in (("nothing", 2), ("no-events", 0)):
        folder = tmp_path / name
        candidates = {"mlpf": folder / "mlpf.parquet"}
        metrics = pipeline.evaluate(folder / "events", candidates, folder / "report", plots=False)
        assert metrics["num_events"] == num
        assert "NaN" not in (folder / "report" / "metrics.json").read_text()
    assert len(read_events(tmp_path / "nothing" / "mlpf.parquet", "candidates").candidates) == 0


def test_elements_are_made_without_the_truth(outputs: Path) -> None:
    """They follow from tracks and clusters alone."""
    events = read_events(outputs / "events", "events", ["tracks", "clusters"])
    elements = read_events(outputs / "labelled", "labelled", ["elements"]).elements
    again = build_elements(events.tracks, events.clusters)
    for name, values in again.columns.items():
        np.testing.assert_array_equal(values, elements.columns[name])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("simulate", "none.parquet", "--output", "x"), "none.parquet: no such file"),
        (("simulate", "{text}", "--output", "x"), "not a Parquet file"),
        (("label", "{gen}", "--output", "x"), "holds stage 'generated', but 'events' is needed"),
        (("train", "{events}", "--output", "x"), "partflow label"),
        (("reconstruct", "{events}", "--model", "none", "--output", "x"), "no such model folder"),
        (("reconstruct", "{events}", "--model", "{labelled}", "--output", "x"), "partflow train"),
        (("evaluate", "{events}", "--candidates", "mlpf", "--output", "x"), "give NAME=FILE"),
        (
            ("evaluate", "{events}", "--candidates", "baseline={mlpf}", "--output", "x"),
            "choose another",
        ),
        (("generate", "--process", "ttH", "--output", "x"), "'ttH' is unknown"),
        (("simulate", "{gen}", "--output", "x", "--workers", "0"), "give at least 1"),
        (("simulate", "{gen}", "--output", "x", "--detector", "atlas"), "'atlas' is unknown"),
        (("simulate", "{gen}", "--output", "{text}"), "--overwrite"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], message: str, outputs: Path, tmp_path: Path, run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no Parquet")
    places = {name: outputs / name for name in ("events", "labelled")}
    places |= {"gen": outputs / "gen.parquet", "mlpf": outputs / "mlpf.parquet"}
    places["text"] = tmp_path / "text.txt"
    status, out, said = run(*(word.format_map(places) for word in words))
    assert status != 0
    assert out == ""
    assert said.startswith("partflow: error: ")
    assert said.count("\n") == 1
    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_candidates_of_other_events_are_refused(outputs: Path, tmp_path: Path, run: Run) -> None:
    pipeline.generate(GenerationConfig("qq", 12, seed=4), tmp_path / "gen.parquet")
    pipeline.simulate([tmp_path / "gen.parquet"], tmp_path / "events")
    status, _, said = run(
        "evaluate", tmp_path / "events", "--candidates", f"mlpf={outputs / 'mlpf.parquet'}",
        "--output", tmp_path / "report",
    )  # fmt: skip
    assert status != 0
    assert "belongs to other events" in said
    assert not (tmp_path / "report").exists()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small network as the published program stores it, with its arguments beside it."""
    import torch

    from partflow.model.published.config import PublishedConfig
    from partflow.model.published.mlpf import PublishedMLPF

    kwargs = {"num_heads": 2, "head_dim": 4, "elemtypes_nonzero": [1, 2], "activation": "relu"}
    state = PublishedMLPF(PublishedConfig.from_kwargs(kwargs)).state_dict()
    torch.save({"model_state_dict": state, "extra_state": {"epoch": 1}}, tmp_path / "mlpf.pth")
    (tmp_path / "kwargs.pkl").write_bytes(pickle.dumps(kwargs))
    return tmp_path / "mlpf.pth"


def test_a_published_checkpoint_becomes_a_model_that_reconstructs(
    outputs: Path, checkpoint: Path, tmp_path: Path, run: Run
) -> None:
    arguments = ("--kwargs", tmp_path / "kwargs.pkl", "--output", tmp_path / "model")
    assert run("import-checkpoint", checkpoint, *arguments)[0] == 0
    status, _, said = run("import-checkpoint", checkpoint, *arguments)
    assert status == 0 and "finished already" in said
    pipeline.reconstruct(outputs / "events", str(tmp_path / "model"), tmp_path / "mlpf.parquet")
    assert read_events(tmp_path / "mlpf.parquet", "candidates").candidates.num_events == 12


def test_a_refused_checkpoint_leaves_no_folder(checkpoint: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "other.json").write_text('{"num_convs": 7, "elemtypes_nonzero": [1, 2]}')
    arguments = ("--kwargs", tmp_path / "other.json", "--output", tmp_path / "model")
    status, _, said = run("import-checkpoint", checkpoint, *arguments)
    assert status == 3 and "num_convs = 7" in said and said.count("\n") == 1
    assert not (tmp_path / "model").exists()
