# make demo: set up and run the main job.   make test: set up and run all tests.   make quick: without what takes minutes.
PYTHON ?= python3
BIN := .venv/bin
# Files of tests side by side; each keeps to folders and ports of its own.
SIDE_BY_SIDE := -n 2 --dist loadfile

.PHONY: demo test quick bench lint setup clean

demo: setup
	$(BIN)/ibshift run szt

test: quick
	$(BIN)/pytest $(SIDE_BY_SIDE) -m slow

quick: setup
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow"

bench: setup
	$(BIN)/python tests/benchmarks/kernel.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
