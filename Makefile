# The two main commands are `make demo` and `make test`. Each installs what it needs.

PYTHON      ?= python3
DEMO_OUTPUT ?= demo/
JOBS        ?= 2
PYTEST_ARGS ?=

VENV      := .venv
BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports pytest docs wheel format clean

help:
	@echo "partflow: machine-learned particle flow, from simulated collisions to evaluated particles"
	@echo
	@echo "  make demo      simulate events, train briefly, reconstruct, and write a report to $(DEMO_OUTPUT)"
	@echo "  make test      all checks: lint, types, imports, then pytest"
	@echo
	@echo "  make docs      the documentation site in site/"
	@echo "  make wheel     build the wheel in dist/, install it into a fresh environment, run it there"
	@echo
	@echo "  make install   only the virtual environment in $(VENV), with pinned packages"
	@echo "  make lint      ruff: style and likely bugs"
	@echo "  make types     mypy"
	@echo "  make imports   which package may import which (import-linter)"
	@echo "  make pytest    only the tests, e.g. make pytest PYTEST_ARGS='tests/core -k jets'"
	@echo "  make format    format the files with ruff"
	@echo "  make clean     remove caches and the demo, but not $(VENV): for that, rm -r $(VENV)"
	@echo
	@echo "  Variables: PYTHON=python3.12  JOBS=2 (test processes)  DEMO_OUTPUT=demo/"
	@echo "  After installation: $(BIN)/partflow --help"

install: $(INSTALLED)

# $(INSTALLED) is a stamp file: pip runs again only when the requirements change.
# With -qq pip prints errors only.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || \
	    { echo "'$(PYTHON)' not found. partflow needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    f"partflow needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}: make PYTHON=/path/to/a/newer/python3")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	    { echo "Cannot make a virtual environment: is the venv module of $(PYTHON) missing (Debian: apt install python3-venv)?" >&2; exit 1; }
	@echo "Installing partflow and its pinned packages into $(VENV), once; this takes minutes ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]' || \
	    { echo "pip could not install the packages; to see why: $(BIN)/python -m pip install -c constraints.txt -e '.[dev]'" >&2; exit 1; }
	@touch $@

demo: $(INSTALLED)
	$(BIN)/partflow demo --output $(DEMO_OUTPUT)

test: lint types imports pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports --no-logo

# One thread for each of the JOBS processes: more threads would only compete for the cores.
pytest: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist worksteal --durations=10 $(PYTEST_ARGS)

# Warnings end the build (strict in properdocs.yml).
docs: $(DOCS_INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/properdocs build --quiet
	@echo "The documentation: site/index.html"

$(DOCS_INSTALLED): $(INSTALLED)
	@echo "Installing the packages of the documentation into $(VENV), once ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

# What a user of `pip install partflow` gets: no checkout, no development packages.
wheel: $(INSTALLED)
	rm -rf build/fresh dist
	$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir dist .
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt dist/*.whl
	OMP_NUM_THREADS=1 build/fresh/bin/python tests/installed.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
