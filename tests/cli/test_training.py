"""`partflow train` and `partflow config`: options, files and presets."""

import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from partflow import cli, pipeline
from partflow.model.config import ModelConfig
from partflow.model.folder import save_model
from partflow.model.mlpf import MLPF
from partflow.presets import preset
from partflow.train.configuration import Configuration, write_config

RESULT = SimpleNamespace(
    folder=Path("run"),
    events_seen=1,
    minutes=1.0,
    events_per_second=1.0,
    validation_loss=1.0,
    source_losses={},
    rank=0,
)


@pytest.fixture
def trained(monkeypatch):
    """`trained(*words)`: the arguments with which `partflow train` calls the pipeline."""
    calls = []

    def record(*arguments, **options):
        bound = inspect.signature(original).bind(*arguments, **options)
        bound.apply_defaults()
        calls.append(bound.arguments)
        return RESULT

    original = pipeline.train
    monkeypatch.setattr(pipeline, "train", record)

    def train(*words):
        cli.run_verb(cli.VERBS, ["train", "labelled", "--output", "run", *map(str, words)])
        return calls[-1]

    return train


@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_processes_the_first_one_prints_the_result(trained, monkeypatch, rank, capsys):
    monkeypatch.setattr(RESULT, "rank", rank)
    trained()
    assert capsys.readouterr().out.count("validation loss") == 1 - rank


def changed_by(trained, *words):
    return trained(*words)["options"]


def test_without_options_the_configuration_is_the_preset(trained):
    arguments = trained("--preset", "base")
    assert arguments["options"] == {}
    assert (arguments["preset"], arguments["config"]) == ("base", None)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--dim", 256), {"dim": 256}),
        (("--learning-rate", "1e-4"), {"learning_rate": 1e-4}),
        (("--learning_rate", "1e-4"), {"learning_rate": 1e-4}),
        (("--loss.share", 5), {"loss.share": 5.0}),
        (("--readout.threshold", 0.4), {"readout.threshold": 0.4}),
        (("--gnn-lsh.bin-size", 16), {"gnn_lsh.bin_size": 16}),
        (("--no-augment",), {"augment": False}),
        (("--augment",), {}),
        (("--gnn-lsh.layer-norm",), {"gnn_lsh.layer_norm": True}),
        (("--epochs", 30), {"epochs": 30}),
        (("--max-minutes", 2), {"max_minutes": 2.0}),
        (("--seed", 3, "--threads", 1), {"seed": 3, "threads": 1}),
        (("--backbone", "favor", "--head", "sharing"), {"backbone": "favor", "head": "sharing"}),
        (("--backbone", "mine:Mine", "--backbone-options", '{"size": [1, 2]}'),
         {"backbone": "mine:Mine", "backbone_options": {"size": [1, 2]}}),
    ],
    ids=str,
)  # fmt: skip
def test_an_option_changes_the_field_of_its_name(trained, words, options):
    assert changed_by(trained, *words) == options


def test_options_override_the_network_that_the_training_starts_from(trained, tmp_path):
    torch.manual_seed(1)
    model = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2, dropout=0.1))
    save_model(model, tmp_path / "model")
    assert preset("small").model.dropout == 0.0
    options = changed_by(trained, "--init", tmp_path / "model", "--dropout", 0, "--dim", 16)
    assert options == {"dropout": 0.0}


def test_a_dry_run_measures_the_network_that_the_training_starts_from(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(pipeline, "dry_run", lambda *_, **options: calls.append(options))
    monkeypatch.setattr("partflow.presets.starting_configuration", lambda *_: preset("tiny"))
    monkeypatch.setattr("partflow.cli.options.starting_configuration", lambda *_: preset("tiny"))
    cli.run_verb(cli.VERBS, ["train", "labelled", "--init", "model", "--dry-run"])
    assert calls == [{"initial_model": Path("model")}]


def words_of(name, value):
    """An option on the command line, with the value that it has by default or a possible one."""
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        place, dot, last = flag.removeprefix("--").rpartition(".")
        return [f"--{place}{dot}no-{last}"]
    if isinstance(value, dict):
        return [flag, json.dumps(value)]
    if isinstance(value, tuple):
        return [flag, *value]
    return [flag, 1 if value is None else value]


def test_every_option_of_the_configuration_is_an_option_of_the_command(trained):
    words = [words_of(name, value) for _, name, value in preset("small").options()]
    trained(*(word for option in words for word in option))  # tyro ends at an unknown option


def test_options_override_the_file(trained, tmp_path):
    path = tmp_path / "my.toml"
    mine = preset("tiny").with_options({"augment": False, "dim": 32, "loss.share": 3.0})
    write_config(path, mine.model, mine.train)
    assert changed_by(trained, "--config", path) == {}
    assert changed_by(trained, "--config", path, "--augment", "--loss.share", 15) == {
        "augment": True,
        "loss.share": 15.0,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dimm", 3), "--dim INTEGER"),
        (("--dim", "wide"), "Error parsing --dim"),
        (("--detector", "clic"), "Unrecognized options: --detector"),
        (("--readout.kind", "threshhold"), "invalid choice 'threshhold'"),
    ],
)
def test_an_unknown_option_or_value_is_refused_by_name(trained, words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        trained(*words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def run(*words):
    """`partflow ...` in a new process."""
    code = "import sys; sys.argv[0] = 'partflow'; from partflow.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--dim", "-3"), "partflow: error: model.dim = -3; it must be positive\n"),
        (("--backbone", "favour"), "model.backbone = 'favour'; did you mean 'favor'? Choose one"),
        (("--config", "none.toml"), "none.toml: no such file\n"),
        (("--preset", "tinny"), "preset 'tinny' is unknown; did you mean 'tiny'?"),
        (("--backbone-options", "[1"), "backbone_options = '[1': no JSON"),
    ],
)
def test_an_invalid_setting_is_one_line(words, error, tmp_path):
    answer = run("train", tmp_path, "--output", tmp_path / "run", *words)
    assert answer.returncode in (2, 3)
    assert error in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_the_configuration_that_is_printed_is_that_of_the_preset(tmp_path):
    answer = run("config", "--preset", "base")
    assert answer.returncode == 0
    values = tomllib.loads(answer.stdout)
    assert (values["model"]["dim"], values["train"]["learning_rate"]) == (256, 7e-4)
    (tmp_path / "config.toml").write_text(answer.stdout)
    again = run("config", tmp_path)
    assert again.stdout == answer.stdout


def test_a_part_of_a_configuration_is_completed_by_the_preset(tmp_path):
    (tmp_path / "part.toml").write_text("[model]\ndim = 96\n")
    values = tomllib.loads(run("config", tmp_path / "part.toml", "--preset", "tiny").stdout)
    assert (values["model"]["dim"], values["model"]["num_layers"]) == (96, 2)


def test_the_help_of_a_training_does_not_load_torch():
    code = (
        "import sys; sys.argv = ['partflow', 'train', '--help']\n"
        "from partflow.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'awkward' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_training_without_output_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["partflow", "train", "labelled"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "no --output: give the folder to write, or --dry-run" in capsys.readouterr().err


def test_the_help_groups_the_options(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cli.run_verb(cli.VERBS, ["train", "--help"])
    text = capsys.readouterr().out
    for group in ("model options", "train options", "loss options", "readout options"):
        assert group in text
    for table, name, _ in Configuration().options():
        assert "--" + name.replace("_", "-") in text, (table, name)
