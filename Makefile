# Everything a newcomer needs is Python 3.11+ and this file. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FOREIGN := $(VENV)/foreign/sageintacctrestsdk/.ready $(VENV)/foreign/frames/.ready

# uv takes its certificates where pip and git do: behind a company's proxy its own list does not know the issuer.
export UV_SYSTEM_CERTS ?= 1

# Compiled once and kept, also where the environment says otherwise: the tests start hundreds of programs.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lint types architecture bench torture docs wheel wheel-demo lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# pip installs uv from its own hashed file; uv installs the rest from the lock. Neither file holds a package address.
$(READY): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tieout needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Other people's clients, and libraries that rows are handed to, each in an environment of its own, for tests/foreign.
$(VENV)/foreign/%/.ready: tests/foreign/%/requirements.lock $(READY)
	@test -x $(@D)/bin/python || $(PYTHON) -m venv --without-pip $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

demo: $(READY)  ## Run the whole job against a local Sage Intacct: connect, pull, push, retry, tie out
	@$(BIN)/tieout demo

test: $(READY) $(FOREIGN)  ## Run the test suite
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q

lint: $(READY)  ## Style and common mistakes
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)  ## mypy strict over src/
	@$(BIN)/mypy

architecture: $(READY)  ## Import directions between the rooms
	@$(BIN)/lint-imports

bench: $(READY)  ## Speed of the product beside a hand-written floor, same machine, same run
	@$(BIN)/python benchmarks/pull_floor.py
	@$(BIN)/python benchmarks/push_floor.py --memory --latency 1.0
	@$(BIN)/python benchmarks/sdk_floor.py
	@$(BIN)/python benchmarks/simulator_scale.py
	@$(BIN)/python benchmarks/imports.py
	@$(BIN)/python benchmarks/refresh_sweep.py
	@$(BIN)/python benchmarks/token_hot_path.py

torture: $(READY)  ## The long form of the crash and concurrency tests
	@TIEOUT_TORTURE=1 $(BIN)/python -m pytest -q -m torture tests

docs: $(READY)  ## Build the documentation site into site/
	@test -x $(VENV)/docs/bin/zensical || { $(PYTHON) -m venv $(VENV)/docs && $(BIN)/uv pip install --quiet --python $(VENV)/docs/bin/python --require-hashes -r requirements-docs.lock; }
	@$(VENV)/docs/bin/zensical build --clean

wheel: $(READY)  ## Build the wheel into dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

wheel-demo: wheel  ## The demo from the wheel alone, in an empty environment without git or make
	@rm -rf build/wheel-demo && $(PYTHON) -m venv build/wheel-demo/venv
	@build/wheel-demo/venv/bin/pip install --quiet --disable-pip-version-check "$$(ls -t dist/tieout-*.whl | head -1)[sync,simulator]"
	@cd build/wheel-demo && env -i PATH=/nonexistent HOME="$$PWD" venv/bin/tieout demo

lock: $(READY)  ## Resolve the lock files anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra all --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group docs -o requirements-docs.lock
	@echo sageintacctrestsdk==1.9.0 | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header - -o tests/foreign/sageintacctrestsdk/requirements.lock
	@printf 'dlt\npandas\npolars\n' > $(VENV)/frames.in && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra sync --extra simulator pyproject.toml $(VENV)/frames.in -o tests/foreign/frames/requirements.lock
	@echo uv | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header - -o requirements-uv.lock

clean:  ## Remove the environment and build products
	rm -rf $(VENV) build dist site tieout-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
