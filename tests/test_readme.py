"""The code on the pages works: python blocks run, and commands exist with the flags shown.

To exclude a block, write a comment on the line before it: `<!-- no-test: the reason -->`.
"""

import functools
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"\s*```(\w*)")
NO_TEST = re.compile(r"<!-- no-test: \S.*-->")
RUN_CLI = "import sys; sys.argv[0] = 'partflow'; from partflow.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int


def blocks(text):
    """The fenced blocks of a page that are not excluded."""
    page_blocks, before, start = [], "", None
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, language, is_excluded = number, fence[1], NO_TEST.search(before)
        elif start is None and line.strip():
            before = line
        elif fence:
            if not is_excluded:
                code = dedent("\n".join([*lines[start : number - 1], ""]))
                page_blocks.append(Block(language, code, start + 1))
            start, before = None, ""
    assert start is None, f"the block that starts on line {start} does not end"
    return page_blocks


def commands(block):
    """The commands of a shell block, as lists of words; in a console block, those after `$`."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.lstrip()[1:] for line in lines if line.lstrip().startswith("$")]
    for line in lines:
        if not re.search(r"\b(partflow|make)\b", line):
            continue  # another program, with any syntax of the shell
        without_brackets = re.sub(r"[\[\]]", " ", line)  # [--flag]: optional
        words = shlex.shlex(without_brackets, posix=True, punctuation_chars=";&|")
        words.whitespace_split = True
        command = []
        for word in [*words, ";"]:
            if set(word) <= set(";&|"):
                if command:
                    yield command
                command = []
            elif command or not re.fullmatch(r"\w+=.*|do|then", word):  # VARIABLE=value partflow
                command.append(word)


def shown_commands(program):
    """The different uses of `program` on the pages, as pytest parameters."""
    seen = {}
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language in {"bash", "sh", "shell", "console"}:
                for command in commands(block):
                    if Path(command[0]).name == program:
                        where = f"{page.relative_to(ROOT)}: {shlex.join(command)}"
                        seen.setdefault(tuple(command[1:]), where)
    return [pytest.param(list(arguments), id=where) for arguments, where in seen.items()]


@functools.cache
def help_text(*verb):
    """What `partflow [verb] --help` prints."""
    result = subprocess.run(
        [sys.executable, "-c", RUN_CLI, *verb, "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )
    assert result.returncode == 0, f"partflow {' '.join(verb)} --help: {result.stderr[-2000:]}"
    return result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_the_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__page__"}  # the blocks of a page continue one another
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.code  # so that a traceback names the page's line
            exec(compile(code, str(page), "exec"), namespace)


@pytest.mark.parametrize("arguments", shown_commands("partflow"))
def test_partflow_commands_on_the_pages_exist(arguments):
    verb = [word for word in arguments[:1] if not word.startswith("-")]
    if verb:
        assert re.search(rf"\b{re.escape(verb[0])}\b", help_text()), f"no verb {verb[0]!r}"
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*(?:\.[\w-]+)*", help_text(*verb)))
    flags = {word.split("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
    assert flags <= known | {"--help"}, f"no flag {', '.join(sorted(flags - known))}"


@pytest.mark.parametrize("arguments", shown_commands("make"))
def test_make_targets_on_the_pages_exist(arguments):
    targets = {word for word in arguments if "=" not in word and not word.startswith("-")}
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known


def test_the_readme_names_the_two_commands_and_a_verb():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [command for block in blocks(text) for command in commands(block)]
    assert ["make", "demo"] in shown
    assert ["make", "test"] in shown
    assert any(command[0] == "partflow" for command in shown)


def test_only_a_comment_with_a_reason_excludes_a_block():
    page = [
        *("```python", "run", "```"),
        *("<!-- no-test: takes an hour -->", "", "```python", "left out", "```"),
        *("```", "no language", "```"),
        *("<!-- no-test -->", "```sh", "no reason", "```"),
    ]
    assert blocks("\n".join(page)) == [
        Block("python", "run\n", 2),
        Block("", "no language\n", 10),
        Block("sh", "no reason\n", 14),
    ]


def test_a_command_is_read_as_a_shell_reads_it():
    lines = [
        "A=1 partflow x --y \\",
        "    [--z 2]  # it's said",
        "make a && make b",
        "for p in qq ww; do partflow $p; done",
        "python -c 'a quote that stays open",
    ]
    bash = Block("bash", "\n".join(lines), 1)
    assert list(commands(bash)) == [
        ["partflow", "x", "--y", "--z", "2"],
        ["make", "a"],
        ["make", "b"],
        ["for", "p", "in", "qq", "ww"],
        ["partflow", "$p"],
        ["done"],
    ]
    console = Block("console", "$ partflow x\nwrote x\n", 1)
    assert list(commands(console)) == [["partflow", "x"]]


def results_table():
    """The rows of the table under *Results* in README, as lists of cells."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Results") : text.index("## Install")]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
def test_the_table_in_the_readme_has_the_rows_and_columns_that_the_demo_prints(
    tmp_path, monkeypatch
):
    """`make demo` in small: the figures differ, the table is the same."""
    from partflow.pipeline import demo, demonstration
    from partflow.report.terminal import jet_table

    monkeypatch.setattr(demonstration, "DEMO_TRAINING_EVENTS", 20)
    monkeypatch.setattr(demonstration, "DEMO_TEST_EVENTS", 10)
    monkeypatch.setattr(demonstration, "DEMO_TRAINING_MINUTES", 0.02)
    table = jet_table(demo(tmp_path / "demo", workers=1))
    heading, _, *rows = results_table()
    assert heading == [str(column.header) for column in table.columns]
    assert [row[0] for row in rows] == list(table.columns[0].cells)
    for row in rows:  # a number in each cell
        assert all(re.match(r"\d+\.\d+", cell) for cell in row[1:]), row
    page = (tmp_path / "demo" / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("<figure") >= 10
    assert page.count('<figure class="display"') == 3
