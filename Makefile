PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format clean

help:
	@echo 'make setup    create .venv with every dependency (needs python3.11, no compiler)'
	@echo 'make demo     run everything on a synthetic dataset; the report lands in runs/demo'
	@echo 'make test     run the tests'
	@echo 'make check    lint, check the formatting and the types'
	@echo 'make format   format the code and apply the safe lint fixes'
	@echo 'make clean    remove caches and build outputs (.venv and runs/ stay)'

setup:
	@sh scripts/setup.sh

demo: setup
	.venv/bin/fewshot demo --out runs/demo --overwrite

# The tensors of the tests are small: more threads make them slower, and spinning ones much slower.
test: export OMP_NUM_THREADS ?= 1
test: export OMP_WAIT_POLICY ?= PASSIVE
test: setup
	$(PYTHON) -m pytest

check: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy --strict fewshot tests scripts

format: setup
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

clean:
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
