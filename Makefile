# Everything starts here; after "make venv" the command is .venv/bin/forewarn.
.POSIX:
.DEFAULT_GOAL := help

PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
BIN := .venv/bin
# Arguments for "forewarn demo", as in: make demo ARGS="--no-serve"
ARGS :=
# Arguments for pytest, as in: make test PYTEST="-k replay"
PYTEST :=
# How many processes share the tests, file by file; "logical" is one for each core that the machine shows.
PROCESSES := logical
# The server for "make test-timescale", a superuser's login: its tests make and drop databases of their own.
DSN :=

.PHONY: help
help:  ## show what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: venv  ## a simulated fleet from telemetry to a call list
	$(BIN)/forewarn demo $(ARGS)

.PHONY: venv
venv: .venv/.installed  ## make .venv from the lock file

.PHONY: venv-test
venv-test: .venv/.installed-test

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "Forewarn needs Python 3.11 or newer: install it and run make again" >&2; exit 2; fi
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: python3-venv)" >&2; exit 2; }

.venv/.installed: .venv/bin/python requirements.lock pyproject.toml
	@echo "installing Forewarn into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.installed-test: .venv/.installed requirements-test.lock
	@echo "installing what the tests need into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

.PHONY: check
check: venv-test  ## formatting, lint, types, import order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: venv-test  ## put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: venv-test test-programs  ## the tests, of every kind; installs mosquitto, chromium and node when it may
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile \
		tests/unit tests/integration tests/functional tests/browser tests/fault/test_kill_worker.py $(PYTEST)

.PHONY: screenshots
screenshots: venv-test test-programs  ## the pictures of docs/screenshots, made by the browser test of the whole way
	FOREWARN_SCREENSHOTS=docs/screenshots $(BIN)/pytest tests/browser/test_journey.py -q -p no:cacheprovider

.PHONY: test-programs
test-programs:
	@sh tests/install_system_packages.sh

.PHONY: test-timescale
test-timescale: venv-test test-programs  ## every integration test on a server of yours: make test-timescale DSN=postgresql://…
	@[ -n "$(DSN)" ] || { echo "name a server: make test-timescale DSN=postgresql://user:password@host/postgres" >&2; exit 2; }
	FOREWARN_TEST_DSN="$(DSN)" $(BIN)/pytest tests/integration $(PYTEST)

.PHONY: test-fault
test-fault: venv-test test-programs  ## kill, cut, stall and poison ingest; one line of figures for each fault
	$(BIN)/pytest tests/fault -q -p no:cacheprovider $(PYTEST)
	GBT32960_FUZZ_FRAMES=1000000 $(BIN)/pytest tests/unit/ingest/test_gbt32960_fuzz.py -q -p no:cacheprovider

.PHONY: lock
lock:  ## take newer versions of what Forewarn builds on
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv
	for extra in "" "--extra test"; do \
		.venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --no-annotate pyproject.toml --extra build $$extra \
			--output-file "requirements$$([ -z "$$extra" ] || echo -test).lock" || exit 1; \
	done
	rm -rf .venv-lock

.PHONY: clean
clean:  ## remove what was made here, the demo's data included
	rm -rf .venv .venv-lock var
