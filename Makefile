# make demo: set up, compile an example, run it, fit it, train on its family.
# make test: set up with the test extra, run the suite. make test-long: its longest tests.
# make bench: set up with the bench extra, measure, write docs/benchmarks.md (BENCH="--case orbit-c").
# make fuzz: set up with the fuzz extra, search for programs that break the compiler.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PYTEST_WORKERS ?= 3
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 1

.PHONY: demo test test-long lint codes editors language examples figures verification bench fuzz clean

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.demo: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[netcdf,plot]'
	@touch $@

.venv/.test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/.demo

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/.test .venv/.demo

.venv/.fuzz: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	@touch $@

.venv/.bench: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

demo: .venv/.demo
	@mkdir -p demo && rm -rf demo/training
	$(BIN)/lagc compile examples/dho.lag -o demo/dho_lag.py
	$(BIN)/lagc run examples/dho.lag --output demo/dho.nc --plot demo/dho.png
	$(BIN)/lagc run examples/dho.lag --set c1=2 --set c2=3 --set c3=1 --until 4 --output demo/recording.csv
	$(BIN)/lagc fit examples/dho.lag demo/recording.csv
	$(BIN)/lagc train examples/dho.lag --network mlp --systems 40000 --held-out 500 --output demo/training
	@echo "left demo/dho_lag.py, demo/dho.nc, demo/dho.png, demo/recording.csv, demo/training"

test: .venv/.test
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadscope --durations 20

# What `make test` leaves out: whole trainings, in several processes and through the integrator, and
# further cases of what it tests.
test-long: .venv/.test
	$(BIN)/python -m pytest -m long -n 1 --durations 5

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is written from the registry of codes and from the grammar.
codes: .venv/.test
	$(BIN)/lagc explain --all --markdown > docs/codes.md

editors: .venv/.test
	$(BIN)/python -m lagc.editing.textmate

figures: .venv/.test
	$(BIN)/python -m docs.figures.energy_drift

verification: .venv/.test
	$(BIN)/python -m docs.verification

language: .venv/.test
	$(BIN)/python -m docs.grammar_listing

examples: .venv/.test
	$(BIN)/python -m docs.examples

bench: .venv/.bench
	$(BIN)/python -m tests.benchmarks $(BENCH)

fuzz: .venv/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) --out build/fuzz

clean:
	rm -rf .venv demo build dist
