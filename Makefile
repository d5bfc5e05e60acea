# Every target makes what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup setup-dev paper parity governance-study test check format lint type imports shell fmt bench chaos fuzz audit lock clean

BIN := .venv/bin
# One worker more than the least machine has processors: most tests wait for processes. Each has its own ports, sockets and folders. A file's
# tests stay on one of them, so that what they share is made once, and come in the order of tests/conftest.py. PYTEST_OPTIONS= runs them one
# after another.
PYTEST_OPTIONS ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with what trading, research and the nightly flow need
	@scripts/setup_env.sh research

setup-dev:
	@scripts/setup_env.sh dev

paper: ## replay real prices through the embedded gateway (./run_system.sh --paper)
	@./run_system.sh --paper

parity: setup-dev ## a paper session of many days, held against the backtester (PARITY_OPTIONS="--sessions 5")
	@$(BIN)/python -m scripts.parity $(PARITY_OPTIONS)

governance-study: setup-dev ## does the mandate tell an edge from luck? writes results/governance.json (STUDY_OPTIONS="--noise 10")
	@$(BIN)/python -m governance.study $(STUDY_OPTIONS)

# Hundreds of processes are started: each would compile all modules again where bytecode is switched off.
test: setup-dev ## run the tests
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PYTEST_OPTIONS)

# The types take a minute of one processor without their cache, while the first tests wait for processes.
check: format lint imports shell ## what .ci/run calls: format, lint, strict types, import layers, shell, tests
	@$(MAKE) --no-print-directory --jobs 2 type test

format: setup-dev
	@$(BIN)/ruff format --check .

lint: setup-dev ## ruff
	@$(BIN)/ruff check .

type: setup-dev ## mypy, strict
	@$(BIN)/mypy .

imports: setup-dev ## the layers of .importlinter
	@PYTHONPATH=. $(BIN)/lint-imports

shell: setup-dev
	@$(BIN)/shellcheck run_system.sh scripts/*.sh .ci/run

fmt: setup-dev ## rewrite the files in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

bench: setup-dev ## measure; prints figures and ratios, and writes results/bench.json
	@$(BIN)/python -m tests.bench

chaos: setup-dev ## play the fault catalogue at random (CHAOS_SCALE=small|full); writes results/chaos.json and chaos.html
	@$(BIN)/python -m tests.chaos

fuzz: setup-dev ## coverage-guided fuzzing of every parser of outside data (FUZZ_SECONDS=60)
	@$(BIN)/python -m tests.fuzz

audit: setup-dev ## known holes of the locked packages, by pip-audit (needs the network)
	@for lock in requirements*.lock; do echo "$$lock"; $(BIN)/uv tool run pip-audit --no-deps --disable-pip --requirement "$$lock"; done

# The smaller locks are held to the versions of the development lock, so all environments run the same code.
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links $(LOCK_OPTIONS)

# Peers run apart from Backstop's own packages.
PEER_LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links $(LOCK_OPTIONS) --group

lock: setup-dev ## compile requirements*.lock from pyproject.toml (LOCK_OPTIONS=--upgrade for newer versions)
	@$(LOCK) pyproject.toml --group dev --output-file requirements-dev.lock
	@$(LOCK) pyproject.toml --group research --constraints requirements-dev.lock --output-file requirements-research.lock
	@$(LOCK) pyproject.toml --constraints requirements-dev.lock --output-file requirements.lock
	@$(PEER_LOCK) pyproject.toml:peers --output-file requirements-peers.lock
	@$(PEER_LOCK) pyproject.toml:peers-nautilus --output-file requirements-peers-nautilus.lock

clean: ## remove caches and the environment; never state/, logs/, results/ or flags/
	@rm -rf .venv .venv-peers .venv-peers-nautilus .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
