# One word for each thing to do; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PORT

.DEFAULT_GOAL := help
.PHONY: help run test test-long bench check fix setup setup-test lock clean

help: ## what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup ## start the registry with its demo data: make run PORT=8000
	@export REGISTRY_WEB_PORT="$${PORT:-$${REGISTRY_WEB_PORT:-8000}}"; exec $(BIN)/registry run

setup: $(VENV)/run.done ## install what the registry needs into .venv, and nothing else

setup-test: $(VENV)/test.done

test: setup-test check ## check and test everything
	@$(BIN)/python -m pytest -n 2 -m "not long"

test-long: setup-test ## the tests that take long
	@$(BIN)/python -m pytest -n 2 -m long

bench: setup-test ## measure, and print ratios
	@$(BIN)/python -m tests.benchmarks

check: setup-test ## formatting, lint, types, import contracts, documents
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: setup-test ## put right what can be put right by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup-test ## resolve the dependencies anew, with hashes
	@$(BIN)/uv pip compile --upgrade $(LOCKED) --extra build -o .ci/requirements-run.txt pyproject.toml
	@$(BIN)/uv pip compile --upgrade $(LOCKED) --extra build --extra test -c .ci/requirements-run.txt -o .ci/requirements-test.txt pyproject.toml

LOCKED := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock"

clean: ## remove what was installed; data/ stays
	rm -rf $(VENV)

# Debian's own Python may come without ensurepip: then the system's pip fills an empty environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV); }

$(VENV)/run.done: .ci/requirements-run.txt pyproject.toml | $(BIN)/python
	@echo "Installing the registry into $(VENV)"
	@$(call install,.ci/requirements-run.txt)
	@touch $@

$(VENV)/test.done: .ci/requirements-test.txt pyproject.toml | $(BIN)/python
	@echo "Installing the registry and its tests into $(VENV)"
	@$(call install,.ci/requirements-test.txt)
	@touch $@ $(VENV)/run.done


define install
$(call pip,install --quiet --disable-pip-version-check --require-hashes -r $(1)) && \
$(call pip,install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .)
endef

# The environment's own pip, or the system's where there is none inside.
pip = if $(BIN)/python -m pip --version >/dev/null 2>&1; then $(BIN)/python -m pip $(1); else $(PYTHON) -m pip --python $(BIN)/python $(1); fi
