# Everything happens in .venv; only Python (3.10 or newer, with its headers and venv) and a C++20 compiler are needed.
# ARGS passes options on: make demo ARGS="--epochs 5", make test ARGS="-k softmax", make bench ARGS="--publish docs/bench".

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
ROWS ?=
BIN := $(VENV)/bin

# What the build requires, as pyproject.toml states it on one line, and the tools that the build backend would fetch.
BUILD_REQUIRES = $(shell sed -n 's/^requires = \[\(.*\)\]$$/\1/p' pyproject.toml | tr ',' ' ') cmake ninja
# Folders are among the sources, so that a file that was added or removed counts as a change too.
SOURCES := CMakeLists.txt pyproject.toml $(shell find csrc python -name __pycache__ -prune -o -print)
CXX_FILES = $(shell find csrc tests/native -name '*.h' -o -name '*.cpp' -o -name '*.cu')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench bench-quick bench-rows clean

help:
	@echo "make demo    train a network on handwritten digits; pictures go to runs/"
	@echo "make test    run all tests"
	@echo "make lint    check with ruff, mypy and clang-format"
	@echo "make format  let ruff and clang-format rewrite the code, and renew the table of ops in README.md"
	@echo "make bench   measure beside other packages, which go to bench/.venv (large); make bench-quick for a part"
	@echo "make clean   remove what was built, $(VENV) included; runs/ stays"

demo: $(VENV)/installed-demo
	$(BIN)/alice demo $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)

format: $(VENV)/installed-lint
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)
	$(BIN)/python tools/optable.py

bench:
	$(MAKE) VENV=bench/.venv bench-rows

bench-quick:
	$(MAKE) VENV=bench/.venv ARGS="--quick $(ARGS)" bench-rows

bench-rows: $(VENV)/installed-bench
	$(BIN)/python bench/run.py $(ARGS) $(ROWS)

clean:
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A plain install: what the tests see is what users get. The build tools live in .venv, not in a place that pip makes
# and removes each time, so that a rebuild compiles only what changed.
$(VENV)/installed-%: $(VENV)/tools $(SOURCES)
	@echo "installing alice_core[$*]; building its native part takes some minutes the first time"
	$(BIN)/python -m pip install --quiet --no-build-isolation ".[$*]"
	@touch $@

# One by one: a package that cannot be had stops none of the others.
$(VENV)/installed-bench: $(VENV)/tools $(SOURCES) bench/install.py
	@echo "installing alice_core and the packages to compare with; the first time that takes some minutes"
	$(BIN)/python -m pip install --quiet --no-build-isolation .
	$(BIN)/python bench/install.py
	@touch $@

$(VENV)/tools: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(BUILD_REQUIRES)
	@touch $@
