"""Write pages while the site is built: executed notebooks, command line, file formats, Python API.

A notebook is a script in `docs/notebooks/` with cells (`# %%`); it is executed here, so its
results are those of this version. The command line is what `partflow COMMAND --help` prints, the
file formats are the schemas of `partflow.core.schemas`, and the API has a page for each module.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import mkdocs_gen_files
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbconvert.exporters import MarkdownExporter

from partflow.core import features, schemas
from partflow.core.schemas import Schema
from partflow.core.store import MADE_BY, OPTIONAL_COLLECTIONS, STAGES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
RUN = "import sys; sys.argv[0] = 'partflow'; from partflow.cli import main; main()"


def write_notebooks() -> None:
    """`notebooks/NAME.md`: each notebook with its results; its figures as files next to it."""
    for file in sorted((ROOT / "docs" / "notebooks").glob("*.py")):
        notebook = jupytext.read(file)
        # ipc: sockets of files that others cannot open, instead of TCP ports
        manager = KernelManager(kernel_name="python3", transport="ipc")
        try:
            NotebookClient(notebook, km=manager, timeout=900).execute()
        finally:
            manager.shutdown_kernel(now=True)
        for cell in notebook.cells:  # progress and log messages, which are no results
            if cell.cell_type == "code":
                cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
        exporter = MarkdownExporter()
        text, resources = exporter.from_notebook_node(
            notebook, resources={"output_files_dir": f"{file.stem}_files"}
        )
        with mkdocs_gen_files.open(f"notebooks/{file.stem}.md", "w") as page:
            page.write(text)
        for name, data in resources["outputs"].items():
            with mkdocs_gen_files.open(f"notebooks/{name}", "wb") as figure:
                figure.write(data)


def help_of(*verb: str) -> str:
    """What `partflow [verb] --help` prints, without the frames of a terminal."""
    answer = subprocess.run(
        [sys.executable, "-c", RUN, *verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
    )
    lines = []
    for line in answer.stdout.splitlines():
        heading = re.fullmatch(r"[╭┌]─+ (.*?) ─+[╮┐]", line)
        if heading:
            lines.append(f"{heading[1]}:")
        elif not re.fullmatch(r"[╰└][─ ]*[╯┘]", line):
            lines.append(re.sub(r"^[│|] ?|\s*[│|]$", "  ", line).rstrip())
    return "\n".join(lines).strip() + "\n"


def write_command_line() -> None:
    """`reference/cli.md`: the help of every verb."""
    verbs = re.search(r"\{([a-z0-9,-]+)\}", help_of())
    if verbs is None:
        raise SystemExit("partflow --help lists no verbs")
    with mkdocs_gen_files.open("reference/cli.md", "w") as page:
        page.write(
            "# Command line\n\nEach command reads files and writes files. An output appears "
            "under its name only when it is complete; a finished command that is repeated does "
            "nothing. This page is made from the commands' own help.\n"
        )
        for verb in verbs[1].split(","):
            page.write(f"\n## partflow {verb}\n\n```text\n{help_of(verb)}```\n")


def write_file_formats() -> None:
    """`reference/file-formats.md`: the columns of every collection."""
    modules = (schemas, features)
    values = [value for module in modules for value in vars(module).values()]
    known = {value.name: value for value in values if isinstance(value, Schema)}
    with mkdocs_gen_files.open("reference/file-formats.md", "w") as page:
        page.write(
            "# File formats\n\nEvery stage writes Parquet: one row for each event with "
            "`event_id`, `process`, and one column for each collection, which is a list of "
            "structs. Units are in the metadata of the columns, the provenance (stage, "
            "configuration, seed, version, commit, hashes of the inputs) in that of the file. "
            "An index such as `particle_index` counts from the start of its own event; -1 "
            "means none.\n\n| stage | made by | collections | on request or where known |\n"
            "|---|---|---|---|\n"
        )
        for stage, always in STAGES.items():
            names, more = (
                ", ".join(
                    f"`{name}`"
                    if name == schema.name
                    else f"`{name}` ([{schema.name}](#{schema.name}))"
                    for name, schema in collections.items()
                )
                for collections in (always, OPTIONAL_COLLECTIONS.get(stage, {}))
            )
            page.write(f"| {stage} | `{MADE_BY[stage]}` | {names} | {more} |\n")
        for name, schema in known.items():
            page.write(f"\n## {name}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n")
            for field in schema.fields:
                meaning = field.doc.replace("|", "\\|")
                page.write(f"| `{field.name}` | {field.dtype} | {field.unit} | {meaning} |\n")


def write_api() -> None:
    """`reference/api/`: a page for each public module, and the list of them."""
    nav = mkdocs_gen_files.Nav()
    for file in sorted(SOURCES.rglob("*.py")):
        parts = file.relative_to(SOURCES).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if any(part.startswith("_") for part in parts):
            continue
        is_package = file.name == "__init__.py"
        page = Path(*parts, "index.md") if is_package else Path(*parts).with_suffix(".md")
        nav[parts] = page.as_posix()
        with mkdocs_gen_files.open(Path("reference/api") / page, "w") as target:
            target.write(f"# {parts[-1]}\n\n::: {'.'.join(parts)}\n")
        mkdocs_gen_files.set_edit_path(Path("reference/api") / page, file.relative_to(ROOT))
    with mkdocs_gen_files.open("reference/api/SUMMARY.md", "w") as summary:
        summary.writelines(nav.build_literate_nav())


def write_changelog() -> None:
    """`reference/changelog.md`: the changelog of the repository."""
    with mkdocs_gen_files.open("reference/changelog.md", "w") as page:
        page.write((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


write_notebooks()
write_command_line()
write_file_formats()
write_api()
write_changelog()
