# Everything happens in .venv; only Python (3.10 or newer, with its headers and venv) and a C++20 compiler are needed.
# ARGS passes options on: make demo ARGS="--epochs 5", make test ARGS="-k softmax", make bench ARGS="--publish docs/bench".

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
ROWS ?=
BIN := $(VENV)/bin

# The sanitizers' environments: what to build with, what to load before Python, which is not built with it, and which
# tests measure what a sanitizer changes, sizes, instructions, memory that runs out, or run programs of others.
SANITIZE ?=
PRELOAD = $(foreach l,lib$(1).so libstdc++.so,$(shell $(CXX) -print-file-name=$(l)))
SANITIZED = $(if $(SANITIZE),-C cmake.define.ALICE_SANITIZE=$(SANITIZE) -C build-dir=$(VENV)/cmake)
MEASURED := test_package test_instructions test_memory_growth test_out_of_memory test_typing

# What the build requires, as pyproject.toml states it on one line, and the tools that the build backend would fetch.
BUILD_REQUIRES = $(shell sed -n 's/^requires = \[\(.*\)\]$$/\1/p' pyproject.toml | tr ',' ' ') cmake ninja
# Folders are among the sources, so that a file that was added or removed counts as a change too.
SOURCES := CMakeLists.txt pyproject.toml $(shell find csrc python -name __pycache__ -prune -o -print)
CXX_FILES = $(shell find csrc tests/native -name '*.h' -o -name '*.cpp' -o -name '*.cu')

# Tests start hundreds of Python processes: what one has compiled the next need not compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test docs lint format sanitize sanitize-tests tsan tsan-stress fuzz bench bench-quick bench-rows bench-beside clean

help:
	@echo "make demo    train a network on handwritten digits; pictures go to runs/"
	@echo "make test    run all tests"
	@echo "make docs    build the book to build/docs, executing every page; warnings are errors"
	@echo "make lint    check with ruff, mypy and clang-format"
	@echo "make format  let ruff and clang-format rewrite the code, and renew the tables of README.md"
	@echo "make sanitize  run the tests in a build that ends at errors of memory and arithmetic; make tsan for races"
	@echo "make fuzz    call everything native at random, a million times"
	@echo "make bench   measure beside other packages, which go to bench/.venv (large); make bench-quick for a part"
	@echo "make bench-beside BASE=revision  measure beside an earlier build, by default the last commit: is anything slower?"
	@echo "make clean   remove what was built, $(VENV) included; runs/ stays"

demo: $(VENV)/installed-demo
	$(BIN)/alice demo $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# Read anew each time (-E), so that every page is executed on what is installed.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -E -W --keep-going -q -j auto -b html $(ARGS) docs build/docs
	@echo "open build/docs/index.html"

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
	$(BIN)/python tools/speedtable.py
	$(BIN)/python tools/quotes.py

# Leaks are looked for by the tests themselves: at its end CPython keeps what it has, and every stack of ours begins in it.
sanitize:
	$(MAKE) VENV=build/sanitize/address SANITIZE=address,undefined sanitize-tests

sanitize-tests: $(VENV)/installed-test
	LD_PRELOAD="$(call PRELOAD,asan)" PYTHONMALLOC=malloc UBSAN_OPTIONS=print_stacktrace=1 \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=3000 ALICE_FUZZ_CALLS=2000 \
	$(BIN)/python -m pytest -n 2 --dist worksteal $(MEASURED:%=--ignore=tests/%.py) $(ARGS)

tsan:
	$(MAKE) VENV=build/sanitize/thread SANITIZE=thread tsan-stress

tsan-stress: $(VENV)/installed-test
	LD_PRELOAD="$(call PRELOAD,tsan)" TSAN_OPTIONS=suppressions=tests/tsan.txt:halt_on_error=1:die_after_fork=0 \
	$(BIN)/python tests/thread_stress.py $(or $(ARGS),100)

fuzz: $(VENV)/installed-test
	$(BIN)/python tests/fuzz_native.py $(or $(ARGS),--calls 1000000)

bench:
	$(MAKE) VENV=bench/.venv bench-rows

bench-quick:
	$(MAKE) VENV=bench/.venv ARGS="--quick $(ARGS)" bench-rows

bench-rows: $(VENV)/installed-bench
	$(BIN)/python bench/run.py $(ARGS) $(ROWS)

# The earlier build has its sources, its benchmarks and its environment to itself, and stays.
BASE ?= HEAD
BEFORE = bench/.base/$(shell git rev-parse --short $(BASE))
bench-beside: $(VENV)/installed-demo
	test -d $(BEFORE) || (mkdir -p $(BEFORE) && git archive $(BASE) | tar -x -C $(BEFORE))
	$(MAKE) -C $(BEFORE) VENV=.venv .venv/installed-demo
	$(BIN)/python bench/beside.py $(BEFORE) $(ARGS) $(ROWS)

clean:
	rm -rf build dist docs/api docs/gallery $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A plain install: what the tests see is what users get. The build tools live in .venv, not in a place that pip makes
# and removes each time, so that a rebuild compiles only what changed.
$(VENV)/installed-%: $(VENV)/tools $(SOURCES)
	@echo "installing alice_core[$*]; building its native part takes some minutes the first time"
	$(BIN)/python -m pip install --quiet --no-build-isolation $(SANITIZED) ".[$*]"
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
