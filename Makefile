# Two commands matter: `make demo` and `make test`. Each prepares what it needs.

PYTHON      ?= python3
DEMO_OUTPUT ?= demo/
JOBS        ?= 2
PYTEST_ARGS ?=

VENV      := .venv
BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports pytest format clean

help:
	@echo "partflow: from a collision to judged particles"
	@echo
	@echo "  make demo      simulate events, train briefly, reconstruct, and write a report to $(DEMO_OUTPUT)"
	@echo "  make test      everything that must hold: lint, types, imports, then pytest"
	@echo
	@echo "  make install   only the virtual environment in $(VENV), with pinned packages"
	@echo "  make lint      ruff: style and likely bugs"
	@echo "  make types     mypy"
	@echo "  make imports   which room may import which (import-linter)"
	@echo "  make pytest    tests alone, e.g. make pytest PYTEST_ARGS='tests/core -k jets'"
	@echo "  make format    let ruff rewrite the files"
	@echo "  make clean     remove caches and the demo; add $(VENV) by hand: rm -r $(VENV)"
	@echo
	@echo "  Knobs: PYTHON=python3.12  JOBS=2 (test processes)  DEMO_OUTPUT=demo/"
	@echo "  Afterwards: $(BIN)/partflow --help"

install: $(INSTALLED)

# The stamp: once installed, nothing is asked of pip again until the requirements change.
# -qq leaves pip its errors and takes away the rest.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || \
	    { echo "No '$(PYTHON)' here. partflow needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    f"partflow needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}: make PYTHON=/path/to/a/newer/python3")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	    { echo "No virtual environment: does $(PYTHON) lack its venv module (Debian: apt install python3-venv)?" >&2; exit 1; }
	@echo "Installing partflow and its pinned packages into $(VENV), once; this takes minutes ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]' || \
	    { echo "pip could not install; ask it why: $(BIN)/python -m pip install -c constraints.txt -e '.[dev]'" >&2; exit 1; }
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

# One thread each: JOBS processes share the cores, and more threads only wait for one another.
pytest: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --durations=10 $(PYTEST_ARGS)

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
