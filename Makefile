# Two commands do everything on a fresh machine: `make figures` and `make test`. Each prepares .venv itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help figures experiments gallery train test sync notebooks html playground assignments bench lint types mutants format clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about 2 minutes the first time, 6 GB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[notebooks,grading,site,test]'
	@touch $@

figures: $(READY)  ## the paper's 2D figures as PNG, PDF and JSON in figures/out
	$(BIN)/python -m figures all

experiments: $(READY)  ## the 2D experiments over training seeds, over an hour; stopped, it goes on
	$(BIN)/python -m figures experiments

gallery: $(READY)  ## copy what README and notebooks show from figures/out to figures/gallery
	$(BIN)/python -m figures.results --collect

train: $(READY)  ## retrain the shipped 2D checkpoints
	$(BIN)/python -m toy2d train --all

test: $(READY)  ## all tests
	$(BIN)/python -m pytest

sync: $(READY)  ## bring notebooks and their scripts together
	$(BIN)/python notebooks/build.py sync

notebooks: $(READY)  ## execute all notebooks and store their outputs
	$(BIN)/python notebooks/build.py run

html: $(READY)  ## the site into html: open html/index.html
	$(BIN)/python docs/build.py

playground: $(READY)  ## the playground, one page that computes in the browser, as html/playground.html
	$(BIN)/python docs/playground/build.py

assignments: $(READY)  ## build the student release and prove that grading is fair
	$(BIN)/python notebooks/assignments/build.py

bench: $(READY)  ## speed against a straightforward formulation, in one run
	$(BIN)/python -m tests.bench

lint: $(READY) types  ## ruff and mypy: style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy: every function of edm and toy2d says what it takes and gives
	$(BIN)/mypy

mutants: $(READY)  ## do the tests notice small faults in guidance, sampler, ema, loss? minutes; what was missed is listed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[mutants]"
	ulimit -v 8000000; $(BIN)/mutmut run --max-children 1; $(BIN)/mutmut results

format: $(READY)  ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) *.egg-info .mypy_cache mutants .pytest_cache .ruff_cache figures/out html docs/api docs/command_line.md
