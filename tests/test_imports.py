"""Starting is fast, and the imported packages are the declared dependencies."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"awkward", "fastjet", "lightning", "matplotlib", "numba", "pythia8mc", "torch"}

IMPORT_PARTFLOW = "import partflow"
ASK_FOR_HELP = """
import sys
sys.argv = ["partflow", "--help"]
from partflow.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.mark.parametrize("code", [IMPORT_PARTFLOW, ASK_FOR_HELP], ids=["import", "help"])
def test_starting_loads_nothing_heavy(code):
    # A new interpreter, because this one has loaded everything; modules, because a time fluctuates.
    report = "\nimport sys\nprint('LOADED', *sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.rpartition("LOADED")[2].split()
    assert not HEAVY.intersection(loaded)


def imported_packages(folder):
    """File that imports each package outside the standard library, by the package's name."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            found.update({name.split(".")[0]: str(path.relative_to(ROOT)) for name in names})
    not_dependencies = sys.stdlib_module_names | {"partflow", "benchmarks", "tests"}
    return {name: path for name, path in found.items() if name not in not_dependencies}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_every_imported_package_is_declared(folder):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for group, listed in project["optional-dependencies"].items():
        if group != "dev" or folder == "tests":
            requirements += listed
    declared = {canonical(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}
    provider = packages_distributions()
    undeclared = {
        name: path
        for name, path in imported_packages(folder).items()
        if not declared.intersection(map(canonical, provider.get(name, [name])))
    }
    assert not undeclared
