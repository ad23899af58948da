# make demo: labels, keypoints and matches in minutes.  make test: ruff, mypy and the tests.  PYTHON=python3.11 chooses the interpreter.
SHELL := /bin/bash
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))
PYTHON ?= $(shell for name in python3.11 python3.10 python3 python; do \
	$$name -c "$(SUPPORTED)" >/dev/null 2>&1 && echo $$name && break; done)
VENV := .venv
INSTALLED := $(VENV)/installed

.PHONY: demo test test-slow lint clean help

help:
	@echo "make demo       label, detect and match on bundled photographs with the shipped weights (minutes)"
	@echo "make test       ruff, mypy and the tests"
	@echo "make test-slow  the long tests too"
	@echo "make clean      delete .venv, caches and the demonstrations"

$(INSTALLED): setup.cfg pyproject.toml
	@if ! $(or $(PYTHON),false) -c "$(SUPPORTED)" >/dev/null 2>&1; then \
		echo "SuperPoint-TF needs Python 3.10 or 3.11 (TensorFlow 2.15 and tensorflow-addons have no later build);" \
			"$(if $(PYTHON),$(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there),none was found): run make PYTHON=/path/to/python3.11" >&2; \
		exit 1; fi
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(VENV)/bin/python tools/demo.py

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint
	$(VENV)/bin/python -m pytest -n 2 -m "not slow"

test-slow: lint
	$(VENV)/bin/python -m pytest

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache outputs/demo outputs/demo-from-scratch
