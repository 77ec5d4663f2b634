"""The command line explains itself, and refuses a command without input."""

import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from partflow import cli

Run = Callable[..., tuple[int, str, str]]
VERBS = {verb.__name__.replace("_", "-"): verb for verb in cli.VERBS}
ORDER_OF_WORK = ["generate", "simulate", "label", "train", "reconstruct", "evaluate", "compare"]


def help_of(run: Run, *verb: str) -> str:
    status, text, _ = run(*verb, "--help")
    assert status == 0
    return text


def test_the_help_lists_all_verbs_in_the_order_of_the_work(run: Run) -> None:
    listed = re.findall(r"• ([a-z0-9-]+)", help_of(run))
    assert listed == list(VERBS)
    assert [verb for verb in listed if verb in ORDER_OF_WORK] == ORDER_OF_WORK


def test_the_help_has_one_sentence_for_each_verb(run: Run) -> None:
    assert "Example:" not in help_of(run)
    assert "Train a network on labelled events." in help_of(run)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_explains_every_option_and_has_an_example(verb: str, run: Run) -> None:
    text = help_of(run, verb)
    example = re.search(r"Example: partflow (.*)", text)
    assert example is not None
    words = shlex.split(example[1])
    assert words[0] == verb
    flags = set(re.findall(r"(--[a-z][\w-]*)", text))
    assert {word for word in words if word.startswith("--")} <= flags
    _, _, arguments = (VERBS[verb].__doc__ or "").partition("Args:\n")
    explained = re.findall(r"^ +(\w+): \S", arguments, re.MULTILINE)
    assert explained == list(inspect.signature(VERBS[verb]).parameters)


@pytest.mark.parametrize("verb", ["simulate", "ingest"])
def test_a_command_without_input_is_refused(verb: str, run: Run, tmp_path: Path) -> None:
    status, _, error = run(verb, "--output", tmp_path / "out")
    assert status == 2
    assert "no input: give files" in error
    assert not (tmp_path / "out").exists()


def test_a_reader_that_goes_away_is_no_error_of_the_program() -> None:
    """As in `partflow --help | head -1`."""
    command = f"{sys.executable} -m partflow train --help | head -1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("usage: partflow train")
    assert ended.stderr == ""
