"""`partflow card` on a small run: complete, true to the files, and its commands work."""

import json
import re
import shlex
import shutil

import pytest
import yaml
from safetensors.torch import load_file

from partflow import cli, pipeline
from partflow.core.errors import ConfigError, OutputError, PartflowError, SchemaError
from partflow.core.provenance import fingerprint
from partflow.core.store import read_events
from partflow.generate import GenerationConfig

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder with all outputs of a small training and of its evaluation on other events."""
    folder = tmp_path_factory.mktemp("card")
    for name, seed in (("train", 3), ("test", 4)):
        files = []
        for process, energy in (("uds", 91.2), ("qq", 380.0)):
            files.append(folder / f"{name}-{process}.parquet")
            pipeline.generate(GenerationConfig(process, 8, seed, energy), files[-1])
        pipeline.simulate(files, folder / name)
    pipeline.label(folder / "train", folder / "labelled")
    pipeline.train(folder / "labelled", folder / "run", preset="tiny", epochs=1, threads=1)
    pipeline.reconstruct(folder / "test", str(folder / "run"), folder / "mlpf.parquet", threads=1)
    candidates = {"mlpf": folder / "mlpf.parquet"}
    pipeline.evaluate(folder / "test", candidates, folder / "report", plots=False)
    plots = folder / "report" / "plots"
    plots.mkdir()
    (plots / "jet_response.png").write_bytes(PNG + b"picture")
    (plots / "met_response.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def card(outputs, tmp_path_factory):
    """Metadata and text of the card of the run."""
    path = pipeline.card(
        outputs / "run", outputs / "report", output=tmp_path_factory.mktemp("out"),
        licence="cc-by-4.0", repository="user/mlpf-toy",
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1]), text


def block(text, language, number=0):
    """A block of code of the card."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[number]


def test_the_library_of_the_hub_reads_the_metadata(card, outputs):
    from huggingface_hub import ModelCard

    read = ModelCard(card[1]).data
    assert (read.license, read.library_name) == ("cc-by-4.0", "partflow")
    assert read.model_name == "mlpf-toy"
    metrics = json.loads((outputs / "report" / "metrics.json").read_text())
    found = {
        result.metric_type: result.metric_value
        for result in read.eval_results
        if result.dataset_name.startswith("all (detector clic, engine fast)")
    }
    jets = metrics["jets"]["mlpf"]
    assert found["jets_matched_fraction"] == pytest.approx(jets["matched_fraction"], abs=1e-5)


def test_a_card_tells_where_the_events_come_from(card, outputs):
    _, text = card
    for name, number, process, energy, seed in (
        ("train-uds", 8, "uds", "91.2", 3), ("train-qq", 8, "qq", 380, 3),
        ("test-uds", 8, "uds", "91.2", 4), ("test-qq", 8, "qq", 380, 4),
    ):  # fmt: skip
        assert f"| `{name}.parquet` | {number} | {process} | {energy} | {seed} |" in text
    for name in ("train", "labelled", "test"):
        assert f"`{fingerprint(outputs / name)}`" in text
    data = json.loads((outputs / "run" / "data.json").read_text())
    (source,) = data["sources"]
    for process in ("uds", "qq"):
        numbers = [source[part].get(process, 0) for part in ("training", "validation")]
        assert sum(numbers) == 8
        assert f"| `labelled` | {process} | {numbers[0]} | {numbers[1]} |" in text
    assert "None of these events was used in the training" in text
    assert "the hashes agree" in text


def test_a_card_tells_what_the_training_used(card, outputs):
    _, text = card
    used = json.loads((outputs / "run" / "resources.json").read_text())
    (part,) = used["parts"]
    assert f"| {part['processor']} | {part['cores']} | 1 × 1 | cpu |" in text
    config = json.loads((outputs / "run" / "config.json").read_text())
    assert f"- Parameters: {config['num_parameters']:,}" in text
    assert "kWh, assuming 10 W for each core at work" in text


def test_the_pictures_are_those_of_the_report_and_of_the_run(card, outputs, tmp_path):
    path = pipeline.card(outputs / "run", outputs / "report", output=tmp_path)
    shown = re.findall(r"!\[[^]]*\]\((\S+)\)", path.read_text())
    assert shown == ["card_jet_response.png", "card_loss.png"]
    sources = (outputs / "report" / "plots" / "jet_response.png", outputs / "run" / "loss.png")
    for name, source in zip(shown, sources, strict=True):
        assert (tmp_path / name).read_bytes() == source.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", *shown]
    pipeline.card(outputs / "run", output=tmp_path, overwrite=True)  # without the report
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "card_loss.png"]


def test_the_commands_and_the_five_lines_of_python_work(card, outputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(outputs / "run", tmp_path / "model")  # what `partflow pull` would make
    install, pull, *commands = block(card[1], "bash").splitlines()
    assert install == 'pip install "partflow[hub]"'
    assert pull == "partflow pull user/mlpf-toy --output model/"
    assert [command.split()[1] for command in commands] == [
        "generate", "simulate", "reconstruct", "evaluate",
    ]  # fmt: skip
    for command in commands:
        words = shlex.split(command.replace("--num-events 100", "--num-events 2"))[1:]
        cli.run_verb(cli.VERBS, [*words, *(["--no-plots"] if words[0] == "evaluate" else [])])
    assert (tmp_path / "report" / "metrics.json").is_file()
    code = block(card[1], "python")
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 5
    exec(compile(code, "card", "exec"), {})
    found, expected = (
        read_events(tmp_path / f"{name}.parquet", "candidates").candidates.energy
        for name in ("candidates", "mlpf")
    )
    assert found.tolist() == expected.tolist()


def test_the_command_of_the_card_trains_the_same_weights(card, outputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(outputs / "labelled", tmp_path / "labelled")
    (tmp_path / "config.toml").write_text(block(card[1], "toml"))
    words = shlex.split(block(card[1], "bash", 1))
    assert words[:3] == ["partflow", "train", "labelled/"]
    cli.run_verb(cli.VERBS, words[1:])
    ours, theirs = (load_file(f / "run" / "model.safetensors") for f in (tmp_path, outputs))
    assert ours.keys() == theirs.keys()
    assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)


@pytest.fixture
def copy(outputs, tmp_path):
    """A copy of the outputs, without the events, to change."""
    for name in ("run", "report"):
        shutil.copytree(outputs / name, tmp_path / name)
    shutil.copy(outputs / "mlpf.parquet", tmp_path)
    return tmp_path


def test_a_card_in_the_run_changes_no_output(outputs, copy, capfd):
    events, candidates = outputs / "test", copy / "mlpf.parquet"
    pipeline.reconstruct(events, str(copy / "run"), candidates, threads=1)
    before = candidates.stat().st_mtime_ns
    pipeline.card(copy / "run", copy / "report")
    pipeline.reconstruct(events, str(copy / "run"), candidates, threads=1)
    assert candidates.stat().st_mtime_ns == before
    assert "finished already" in capfd.readouterr().err
    path = pipeline.card(copy / "run", copy / "report")  # the same again
    assert "finished already" in capfd.readouterr().err
    path.write_text("by hand")
    with pytest.raises(OutputError, match="exists, with other content"):
        pipeline.card(copy / "run", copy / "report")
    assert path.read_text() == "by hand"
    pipeline.card(copy / "run", copy / "report", overwrite=True)
    assert "# Model card for run" in path.read_text()


def test_events_that_are_gone_are_unknown_and_found_where_the_user_says(outputs, copy):
    """The training keeps what it knew of its events; of the evaluated ones the report does not."""
    text = pipeline.card(copy / "run", copy / "report").read_text()
    assert "| `train-qq.parquet` | 8 | qq | 380 | 3 |" in text
    assert "| `test-qq.parquet`" not in text
    assert "| `test` | " in text and "no more is known, since they were not found" in text
    assert "It is not known whether training and evaluation have events in common" in text
    text = pipeline.card(copy / "run", copy / "report", data=[outputs], overwrite=True).read_text()
    assert "| `test-qq.parquet` | 8 | qq | 380 | 4 |" in text
    assert "None of these events was used in the training" in text


def test_a_run_of_an_earlier_version_has_a_card(outputs, copy):
    for name in ("data.json", "resources.json"):
        (copy / "run" / name).unlink()
    text = pipeline.card(copy / "run", data=[outputs]).read_text()
    assert "The numbers of events are unknown" in text
    assert "| `train-qq.parquet` | 8 | qq | 380 | 3 |" in text
    assert "Hardware, hours and energy are unknown" in text


def test_a_model_folder_from_elsewhere_has_a_card(copy):
    for path in (copy / "run").iterdir():
        if path.is_file() and path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    text = pipeline.card(copy / "run").read_text()
    assert "Unknown: the model folder has no `config.toml`" in text
    assert "(the default value)" in text


def test_a_changed_model_is_not_called_another_one_where_not_all_is_found(copy):
    shutil.rmtree(copy / "run" / "logs")
    text = pipeline.card(copy / "run", copy / "report").read_text()
    assert "it is not known whether this model made" in text.replace("\n", " ")


def test_the_report_of_another_model_is_told(outputs, copy, capfd):
    shutil.rmtree(copy / "run" / "logs")
    text = pipeline.card(copy / "run", copy / "report", data=[outputs]).read_text()
    assert "the hashes\ndiffer" in text
    assert "made by another model" in capfd.readouterr().err


def test_the_candidate_set_must_be_clear(copy):
    metrics = json.loads((copy / "report" / "metrics.json").read_text())
    for group in ("jets", "met", "particles"):
        metrics[group]["other"] = metrics[group]["mlpf"]
        for process in metrics["processes"].values():
            process[group]["other"] = process[group]["mlpf"]
    (copy / "report" / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ConfigError, match="candidate sets mlpf, other; name that of the model"):
        pipeline.card(copy / "run", copy / "report")
    with pytest.raises(ConfigError, match="has mlpf, other; choose one of these"):
        pipeline.card(copy / "run", copy / "report", candidates="baseline")
    text = pipeline.card(copy / "run", copy / "report", candidates="other").read_text()
    assert "The model's candidates are called `other`" in text
    assert "| events | other | baseline |" in text and "| mlpf |" not in text


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run/resources.json", "{"),
        ("run/resources.json", '{"format": "partflow-resources-1"}'),
        ("run/data.json", "[]"),
        ("run/data.json", '{"format": "partflow-training-data-1", "sources": 3, "origins": []}'),
        ("run/training.csv", "epoch\nx\n"),
        ("run/training.csv", "epoch\n1\n"),
        ("run/threshold.json", "[1]"),
        ("run/config.toml", "dim = "),
        ("run/config.json", "{}"),
        ("report/metrics.json", "{"),
        ("report/metrics.json", '{"format": 2, "jets": {"mlpf": 3}}'),
        ("report/metrics.json", '{"format": 2}'),
        ("report/metrics.json", '{"format": 2, "jets": {"x": 3}, "processes": {}, "config": {}}'),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(copy, file, content):
    (copy / file).write_text(content)
    with pytest.raises(PartflowError) as caught:
        pipeline.card(copy / "run", copy / "report")
    message = str(caught.value)
    assert "\n" not in message and str(copy / file.split("/")[0]) in message
    assert not (copy / "run" / "README.md").exists()


def test_what_is_no_run_or_no_report_is_refused(copy):
    for run, report, said in (
        (copy / "none", None, "no such model folder; `partflow train`"),
        (copy / "run", copy / "none", "no such file; give folders of `partflow evaluate`"),
    ):
        with pytest.raises(PartflowError, match=said):
            pipeline.card(run, report)
    with pytest.raises(ConfigError, match="give a positive number"):
        pipeline.card(copy / "run", watts=-3.0)


def test_the_command_writes_the_card_and_prints_where(copy, capsys):
    words = ["card", copy / "run", "--report", copy / "report", "--name", "toy", "--license", "mit",
             "--developers", "A. Physicist", "--watts", "35", "--output", copy / "out"]  # fmt: skip
    cli.run_verb(cli.VERBS, [str(word) for word in words])
    assert capsys.readouterr().out == f"{copy / 'out' / 'README.md'}\n"
    text = (copy / "out" / "README.md").read_text()
    for said in ('license: "mit"', "# Model card for toy", "Developed by: A. Physicist", "35 W"):
        assert said in text


def test_a_damaged_report_is_a_schema_error(copy):
    metrics = json.loads((copy / "report" / "metrics.json").read_text())
    metrics["jets"]["mlpf"]["median"] = "<script>"
    (copy / "report" / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(SchemaError, match="evaluate again"):
        pipeline.card(copy / "run", copy / "report")


def test_a_model_that_the_training_started_from_is_named_and_its_events_count(outputs, tmp_path):
    folder = tmp_path / "tuned"
    pipeline.train(
        outputs / "labelled", folder, config=outputs / "run", initial_model=outputs / "run",
        freeze="all_but_heads",
    )  # fmt: skip
    text = pipeline.card(folder, outputs / "report").read_text()
    assert f"(hash\n`{fingerprint(outputs / 'run')}`)" in text
    words = shlex.split(block(text, "bash", 1))
    assert words[words.index("--init") + 1] == "run/"
    data = json.loads((folder / "data.json").read_text())
    stages = [origin["provenance"]["stage"] for origin in data["initial_model"]["inputs"]]
    assert stages == ["labelled"]
