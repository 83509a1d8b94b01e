PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check format docs clean

help:
	@echo 'make setup    create .venv with what users need (python3.11, no compiler, about 7 GB)'
	@echo 'make demo     run everything on made-up slices, about 10 minutes; the report lands in runs/demo'
	@echo 'make test     run the tests, about half an hour'
	@echo 'make check    lint, check the formatting and the types'
	@echo 'make format   format the code and apply the safe lint fixes'
	@echo 'make docs     build the site into build/site, without network'
	@echo 'make clean    remove caches and build outputs (.venv and runs/ stay)'

setup:
	@sh scripts/setup.sh

setup-dev:
	@sh scripts/setup.sh dev

demo: setup
	.venv/bin/fewshot demo --out runs/demo --overwrite

# The tensors of the tests are small: more threads make them slower, and spinning ones much slower.
test: export OMP_NUM_THREADS ?= 1
test: export OMP_WAIT_POLICY ?= PASSIVE
test: setup-dev
	$(PYTHON) -m pytest

check: setup-dev
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy --strict fewshot tests scripts

format: setup-dev
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

docs: setup-dev
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs build/site

clean:
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
