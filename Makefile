# Everything a person does with this tree, by name. `make` alone lists it.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The interpreter that .venv is made from; 3.11 or newer.
PYTHON ?= python3
# What follows `manage.py up`, for instance: make run ARGS="--port 8001"
ARGS ?=
# What follows `uv pip compile`, for instance: make lock ARGS=--upgrade

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes

.PHONY: help
help: ## list these commands
	@echo "make COMMAND, where COMMAND is:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: runtime ## start everything here: web, worker, beat and broker, with demonstration data
	@exec $(BIN)/python manage.py up --end-with-parent $(ARGS)

.PHONY: test
test: provide development ## run every check and every test, on SQLite and on PostgreSQL
	@exec $(BIN)/python -m tests.tooling.checks

.PHONY: check
check: development ## run the fast checks: lint, types, import contracts
	@exec $(BIN)/python -m tests.tooling.checks --fast

.PHONY: format
format: development ## lay the code out, and repair what the linter can repair
	@$(BIN)/python -m ruff check --fix --quiet . || true
	@$(BIN)/python -m ruff format .

.PHONY: messages
messages: development ## bring the translation catalogues up to date and compile them (needs GNU gettext)
	@exec $(BIN)/python -m tests.tooling.translations update

.PHONY: screenshots
screenshots: development ## take the pictures of the README again
	@exec $(BIN)/python -m tests.tooling.screenshots

.PHONY: bench
bench: development ## measure how fast it is, beside what others do (ARGS: segments, numbers, pages, keys, paste, ledger, dispatch, submission, lanes, minute, embedded, memory, smpp, kannel, doors, inbox)
	@exec $(BIN)/python -m tests.bench $(ARGS)

.PHONY: chaos
chaos: development ## kill everything that can be killed while 20 000 messages leave, and prove what came of it (ARGS="--seed 7")
	@exec $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: lock
lock: venv ## lock the dependencies of pyproject.toml again
	@PYTHON=$(BIN)/python sh tests/tooling/lock.sh $(ARGS)

# --- What the commands above stand on -------------------------------------------------------------

# Installs what tests need from the system's packages, when this is root on Debian; says so otherwise.
.PHONY: provide
provide:
	@PYTHON="$(PYTHON)" sh tests/tooling/provide.sh

.PHONY: venv
venv:
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	    echo "Python is not here under the name $(PYTHON). Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.13 ..." >&2; exit 1; }; \
	  "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "$(PYTHON) is `"$(PYTHON)" --version 2>&1`; this needs Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3.13 ..." >&2; exit 1; }; \
	  "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make a virtual environment: its venv module is not installed. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	  echo "Making .venv with `"$(PYTHON)" --version 2>&1`."; \
	  "$(PYTHON)" -m venv --clear .venv; }

# The copy of a lock inside .venv says what is installed there; nothing is installed twice.
.PHONY: runtime
runtime: venv
	@cmp -s requirements.lock .venv/requirements.lock || { \
	  echo "Installing the locked dependencies. The first time takes about a minute."; \
	  $(PIP) --requirement requirements.lock && cp requirements.lock .venv/requirements.lock; }

# requirements-dev.lock holds all of requirements.lock at the same versions (tests/tooling/locks.py proves it).
.PHONY: development
development: venv
	@cmp -s requirements-dev.lock .venv/requirements-dev.lock || { \
	  echo "Installing the locked dependencies and the tools of the tests. The first time takes a few minutes."; \
	  $(PIP) --requirement requirements-dev.lock \
	    && cp requirements.lock requirements-dev.lock .venv/; }
