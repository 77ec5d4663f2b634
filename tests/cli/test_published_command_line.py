"""The options of partflow in docs/how-to/published-command-line.md: each is tried in a training."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from partflow import cli, pipeline
from partflow.core.provenance import Provenance
from partflow.dataset.packing import pack
from partflow.pipeline import PACKED
from partflow.presets import preset
from partflow.train.configuration import write_config

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/published-command-line.md"
NOT_HERE = {"--accelerator gpu": "needs a GPU", "--loggers comet$": "needs an account of Comet"}
"""Options that a test cannot try, and why."""
SCRIPTS = {"--gpus", "--gpu-batch-multiplier", "--num-workers", "--prefetch-factor",
           "--checkpoint-freq", "--ntrain", "--ntest", "--nvalid", "--conv-type", "--dtype",
           "--load", "--test-datasets", "--make-plots", "--comet", "--num-epochs", "--lr",
           "--patience", "--val-freq", "--num-convs", "--resume-training", "--comet-offline",
           "--config", "--data-dir", "--train", "--test", "--hpo", "--ray-train",
           "--raytune-num-samples", "--attention-type", "--pipeline", "--prefix",
           "--experiments-dir", "--ray-cpus", "--ray-gpus", "--comet-step-freq"}  # fmt: skip
"""Options of the published program."""


def rows(title):
    """The rows of the table under `title`, as lists of cells."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def flags(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", text))


TRAININGS = [(row[0].strip("`"), row[1].strip("`")) for row in rows("Training")]


@pytest.fixture(scope="module")
def labelled(learnable_events, tmp_path_factory):
    """A folder of a few labelled toy events, as `partflow label` writes it for a training."""
    folder = tmp_path_factory.mktemp("labelled")
    events = learnable_events([3] * 40, [5] * 40, seed=3)
    pack([events], folder / PACKED, Provenance("labelled", {"detector": "clic"}))
    return folder


@pytest.fixture(scope="module")
def model(labelled, tmp_path_factory):
    """A trained model."""
    folder = tmp_path_factory.mktemp("model") / "run"
    pipeline.train(labelled, folder, "tiny", dim=8, num_layers=1, epochs=1, threads=1)
    return folder


def test_every_option_of_the_published_program_is_on_the_page():
    of_page = [row[0] for title in ("Training", "Everything else") for row in rows(title)]
    assert set().union(*map(flags, of_page)) >= SCRIPTS


@pytest.mark.parametrize(("published", "ours"), TRAININGS)
def test_an_option_is_accepted_and_trains(published, ours, labelled, model, tmp_path):
    for pattern, reason in NOT_HERE.items():
        if re.search(pattern, ours):
            pytest.skip(reason)
    if "comet" in ours:
        pytest.importorskip("comet_ml")
    file, run = tmp_path / "my.toml", tmp_path / "run"
    tiny = preset("tiny").with_options({"dim": 8, "num_layers": 1})
    write_config(file, tiny.model, tiny.train)
    words = shlex.split(ours.replace("FILE", str(file)).replace("MODEL", str(model)))
    if "--resume" in words:
        run = model
    command = ["train", str(labelled), "--output", str(run), "--threads", "1", *words]
    if "--config" not in words:
        command += ["--config", str(file)]
    if "--epochs" not in words:
        command += ["--epochs", "2" if "--resume" in words else "1"]
    if "comet" in ours:  # it leaves threads and sockets behind
        run_alone = subprocess.run([sys.executable, "-m", "partflow", *command], check=False)
        assert run_alone.returncode == 0
        assert any(path.is_file() for path in (run / "logs").rglob("*"))
    else:
        cli.run_verb(cli.VERBS, command)
    assert (run / "model.safetensors").is_file()
