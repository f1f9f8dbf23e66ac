# The two doors of the house are `make demo` and `make test`. Both make their own environment in .venv and need
# nothing but git, make and Python 3.11 or newer. `make` alone lists every target.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PACKAGES := cdn_hooks compiler edge_agent edge_bundle edge_runtime fleet_hub hardware_profiles skerry update_trust wasm_emit
SOURCES := $(PACKAGES) tests benchmarks examples

# An environment is installed anew when one of these changes.
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench conformance docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.installed-all  ## run the main job from end to end: compile, sign, roll out, serve, cache, report, attack
	@$(BIN)/skerry demo --report build/demo.json

test: lint  ## lint, types, layers, then every test
	@$(BIN)/pytest -q

lint: $(VENV)/.installed-dev  ## ruff, formatting, strict types, import layers
	@$(BIN)/ruff check -q $(SOURCES)
	@$(BIN)/ruff format -q --check $(SOURCES)
	@$(BIN)/mypy --no-error-summary
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }

bench: $(VENV)/.installed-dev  ## run the benchmarks and write build/bench.json
	@$(BIN)/python -m benchmarks --out build/bench.json

conformance: $(VENV)/.installed-dev  ## run ONNX's node tests through the Wasm target and write build/conformance.json
	@$(BIN)/python -m benchmarks.conformance --out build/conformance.json

docs: $(VENV)/.installed-dev  ## write docs/cli.md anew from the help of every command
	@$(BIN)/python -m skerry.reference docs/cli.md

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@PYTHON='$(PYTHON)' sh .ci/make-venv $(VENV)

$(VENV)/.installed-all: $(PINS) | $(VENV)/bin/python
	@echo "installing skerry[all] into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(PINS) | $(VENV)/bin/python
	@echo "installing skerry[dev] into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-all
