# make demo: labels, keypoints and matches in minutes.  make test: ruff, mypy and the tests.
# PYTHON=/path/to/python3.12 chooses the interpreter, VENV=folder where its packages go.
SHELL := /bin/bash
SUPPORTED := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
# 3.11 and 3.10 first, the reference stack, then newer ones; one that is there and does not run (a shim of pyenv) is passed over
PYTHON ?= $(shell for name in python3.11 python3.10 python3.12 python3.13 python3 python; do \
	$$name -c "$(SUPPORTED)" >/dev/null 2>&1 && echo $$name && break; done)
VENV := .venv
INSTALLED := $(VENV)/installed

.PHONY: demo test unit test-slow lint docs clean help

help:
	@echo "make demo       label, detect and match on bundled photographs with the shipped weights (minutes)"
	@echo "make test       ruff, mypy and the tests"
	@echo "make test-slow  the long tests too"
	@echo "make docs       the API's pages in outputs/docs, from the docstrings; a warning is an error"
	@echo "make clean      delete the environments, caches and the demonstrations"

$(INSTALLED): setup.py setup.cfg pyproject.toml
	@if ! $(or $(PYTHON),false) -c "$(SUPPORTED)" >/dev/null 2>&1; then \
		echo "SuperPoint-TF needs Python 3.10 to 3.13 with its module venv;" \
			"$(if $(PYTHON),$(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there),none was found): run make PYTHON=/path/to/python3.11" >&2; \
		exit 1; fi
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/installed-docs: $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --editable '.[docs]'
	@touch $@

demo: $(INSTALLED)
	$(VENV)/bin/python tools/demo.py

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

unit: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --durations=40 -m "not slow" $(TESTS)

test: lint unit

test-slow: lint
	$(VENV)/bin/python -m pytest

docs: $(VENV)/installed-docs
	rm -rf outputs/docs
	$(VENV)/bin/python docs/api_pages.py outputs/docs

clean:
	rm -rf .venv $(VENV) .venv-3.12 .venv-3.13 .pytest_cache .mypy_cache .ruff_cache outputs/demo outputs/demo-from-scratch outputs/docs
