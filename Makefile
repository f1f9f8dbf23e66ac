# The two doors of the house are `make demo` and `make test`. Both make their own environment in .venv and need
# nothing but git, make and Python 3.11 or newer. `make` alone lists every target.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PACKAGES := cdn_hooks compiler edge_agent edge_bundle edge_runtime fleet_hub hardware_profiles skerry update_trust wasm_emit
SOURCES := $(PACKAGES) tests benchmarks examples

# Real models for the demo's last act; it is left out where the folder is not there.
MODELS ?= ../shared/models

# The runtimes from npm that `make bench-wasm` compares with. The environment brings Node and npm where there are none.
PEERS := benchmarks/wasm
NPM ?= $(shell command -v npm || echo $(BIN)/npm)

# An environment is installed anew when one of these changes.
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-wasm bench-quant bench-litert bench-race targets conformance docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.installed-all  ## run the main job from end to end: compile, sign, roll out, serve, cache, report, attack
	@rm -rf build/models
	@if [ -d '$(MODELS)' ]; then $(BIN)/python -m examples.real_models.prepare '$(MODELS)' build/models; fi
	@if ls build/models/*/contract.toml >/dev/null 2>&1; then more='--more build/models'; \
	else more=; echo 'no real models at $(MODELS): act 7 is left out; MODELS=FOLDER names another place'; fi; \
	$(BIN)/skerry demo $$more --report build/demo.json

test: lint  ## lint, types, layers, then every test
	@$(BIN)/pytest -q

lint: $(VENV)/.installed-dev  ## ruff, formatting, strict types, import layers
	@$(BIN)/ruff check -q $(SOURCES)
	@$(BIN)/ruff format -q --check $(SOURCES)
	@$(BIN)/mypy --no-error-summary
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }

bench: $(VENV)/.installed-dev  ## run the benchmarks and write build/bench.json
	@$(BIN)/python -m benchmarks --out build/bench.json

bench-wasm: $(VENV)/.installed-dev $(PEERS)/node_modules/.package-lock.json  ## measure the Wasm target against its peers and write build/bench-wasm.json
	@$(BIN)/python -m benchmarks.wasm --models '$(MODELS)' --out build/bench-wasm.json

bench-quant: $(VENV)/.installed-dev  ## hold our quantizer against ONNX Runtime's and NNCF and write build/bench-quant.json
	@$(BIN)/python -m benchmarks.quant --models '$(MODELS)' --out build/bench-quant.json

bench-litert: $(VENV)/.installed-dev  ## measure LiteRT variants beside those of other runtimes and write build/bench-litert.json
	@$(BIN)/python -m benchmarks.litert --models '$(MODELS)' --out build/bench-litert.json

bench-race: $(VENV)/.installed-dev  ## hold the variant that a race chose against every single runtime and write build/bench-race.json
	@$(BIN)/python -m benchmarks.race --models '$(MODELS)' --out build/bench-race.json

targets: $(VENV)/.installed-dev  ## compile every model for every profile and write build/targets.json
	@$(BIN)/python -m benchmarks.targets --models '$(MODELS)' --out build/targets.json

conformance: $(VENV)/.installed-dev  ## run ONNX's node tests through the Wasm target and write build/conformance.json
	@$(BIN)/python -m benchmarks.conformance --out build/conformance.json

docs: $(VENV)/.installed-dev  ## write docs/cli.md and what follows from the code in docs/wasm.md, litert.md and targets.md anew
	@$(BIN)/python -m skerry.reference docs/cli.md
	@$(BIN)/python -m benchmarks.docs

clean:  ## remove the environment and everything built
	rm -rf $(VENV) $(PEERS)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
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

$(PEERS)/node_modules/.package-lock.json: $(PEERS)/package-lock.json | $(VENV)/.installed-dev
	@$(NPM) ci --prefix $(PEERS) --ignore-scripts --silent --no-audit --no-fund
	@touch $@
