# Every target below builds .venv when it is missing or out of date, and otherwise reuses it.
# ARGS="..." is handed on, for instance: make table3 ARGS="--dry-run" or make test ARGS="-k scenes".
# Tests run on all usable cores, a module in one process; ARGS="-n 0" keeps them in a single one.
# PYTHON=/path/to/python3.11 chooses the interpreter that .venv is made from.
# EXTRAS=mmdet adds the hosts that need mmdet, and OpenCV; the tests are run with them.

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist loadscope
ARGS ?=
EXTRAS ?=
export EXTRAS

.DEFAULT_GOAL := help
.PHONY: help setup table3 smoke test test-slow test-all lint doctor archive clean

help:  ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup:  ## build .venv, or bring it up to date; EXTRAS=mmdet for all of it
	@sh tools/setup.sh

table3: setup  ## regenerate table 3 at mini scale: its numbers, and the page reports/tables/index.html
	$(BIN)/boxseg reproduce table3 --scale mini --launcher local $(ARGS)

smoke: setup  ## every row of table 3 at smoke scale: does it run at all?
	$(BIN)/boxseg reproduce table3 --scale smoke $(ARGS)

test test-slow test-all lint: EXTRAS = mmdet

test: setup  ## the tests, without the slow ones
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: setup  ## the slow tests: those that train or start processes
	$(PYTEST) -m slow $(ARGS) || [ $$? -eq 5 ]  # 5: there is none

test-all: setup  ## all tests
	$(PYTEST) $(ARGS)

lint: setup  ## ruff, mypy, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

doctor: setup  ## versions, device, and what is missing for which feature
	$(BIN)/boxseg doctor

archive:  ## the committed records, networks and statement as one file in dist/, with hashes
	@sh tools/archive_records.sh

clean:  ## remove caches and build leftovers (.venv, data and runs stay)
	rm -rf build dist ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
