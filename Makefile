# Needs Python 3.11 or newer (with venv) and make; node and Chromium serve the browser tests only.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
MEMBERS ?= 12
SEED ?= 1
WORKERS ?= auto
export HOST PORT
export FLASK_APP := wsgi:app
# Where this is set, every process would compile every module again: a second start takes half as long without it.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# One stamp for each content of the lock: no package work when nothing changed.
RUN_STAMP := $(VENV)/.run-$(firstword $(shell cksum < requirements.lock))
DEV_STAMP := $(VENV)/.dev-$(firstword $(shell cksum < requirements-dev.lock))
NPM_STAMP := tests/clients/node_modules/.lock-$(firstword $(shell cksum < tests/clients/package-lock.json))
# A place of their own: what Jupyter needs has no say in which versions we run.
CLIENTS := tests/clients/.venv
CLIENTS_STAMP := $(CLIENTS)/.lock-$(firstword $(shell cksum < tests/clients/requirements.txt))
# The lock names everything, so nothing is left to resolve; older pips take a newer release for an extra of a pinned one.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile --require-hashes --no-deps

.PHONY: run test check lint types imports coverage browser album bench figures faults drill hosts load soak races post leaks proofs mutants sbom advisories images conformance lock \
  migrate sandbox clean help

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

run: $(RUN_STAMP)  ## the sandbox on http://localhost:8000 (PORT, HOST)
	@$(BIN)/python -m service.sandbox.serve

test: $(DEV_STAMP) browser  ## every test that this machine can run
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint types imports coverage  ## what must hold before a change goes in

lint: $(DEV_STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_STAMP)  ## mypy, strict
	$(BIN)/mypy

imports: $(DEV_STAMP)  ## who may import whom
	$(BIN)/lint-imports --config setup.cfg

coverage: $(DEV_STAMP) browser  ## the tests, measured
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

browser:  ## other people's clients for the tests: npm's where npm is at hand, and Jupyter's
	@if [ ! -f $(NPM_STAMP) ] && command -v npm >/dev/null; then \
	  npm ci --prefix tests/clients --no-audit --no-fund --silent && touch $(NPM_STAMP); fi
	@[ -f $(CLIENTS_STAMP) ] || $(MAKE) --no-print-directory $(CLIENTS_STAMP) \
	  || echo 'Jupyter could not be installed: its test is skipped' >&2

album: $(DEV_STAMP) browser  ## pictures of every page, in docs/album/index.html
	@$(BIN)/python -m tests.browser.album

bench: $(DEV_STAMP)  ## the ratios of docs/performance.md
	$(BIN)/python bench/run $(ARGS)

figures: $(DEV_STAMP)  ## everything that is promised in figures, one command after the other, in one table (ARGS=--long: a night)
	@$(BIN)/python -m tests.faults.every_figure $(ARGS)

faults: $(DEV_STAMP)  ## kill servers and PostgreSQL, ask what is left: docs/reliability.md (ARGS="--cycles 1000")
	@$(BIN)/python -m tests.faults.run $(ARGS)

drill: $(DEV_STAMP)  ## lose a PostgreSQL server and restore it: docs/reliability.md (ARGS=--megabytes 4096)
	@$(BIN)/python -m tests.faults.drill $(ARGS)

load: $(DEV_STAMP)  ## three times what the server can do, on both databases (ARGS=--short: some 60 s)
	@$(BIN)/python -m bench.overload $(ARGS)

soak: $(DEV_STAMP)  ## 20 minutes of mixed traffic: does anything grow? (ARGS="--minutes 5 --database postgresql")
	@$(BIN)/python -m tests.faults.soak $(ARGS)

races: $(DEV_STAMP)  ## eight callers for each of nine kinds of secrets, RACE_ROUNDS (1000) times, on both databases
	@$(BIN)/python -m tests.faults.races $(ARGS)

post: $(DEV_STAMP)  ## 10,000 mails, an outage and 50 kills of the sender, on both databases
	@$(BIN)/python -m tests.faults.post $(ARGS)

hosts: $(DEV_STAMP)  ## two hosts, PgBouncer, a replica and nginx on this machine: docs/reliability.md
	@$(BIN)/python -m tests.hosts.run $(ARGS)

leaks: $(DEV_STAMP)  ## canaries in logs at DEBUG, and whether timing tells who has an account
	@$(BIN)/python -m tests.faults.leaks $(ARGS)

proofs: $(DEV_STAMP)  ## promises in figures that tests hold (ARGS="--only codes")
	@$(BIN)/python -m tests.faults.proofs $(ARGS)

mutants: $(DEV_STAMP)  ## make functions wrong on purpose and see whether a test fails: docs/mutation.md (ARGS=--help)
	@[ -f var/mutation/seconds.json ] || $(BIN)/python -m tests.mutation.run --measure
	@$(BIN)/python -m tests.mutation.run --predicates
	@$(BIN)/python -m tests.mutation.run $(ARGS)

sbom: $(DEV_STAMP)  ## what an installation is made of (CycloneDX), from its lock, without and with traces: dist/sbom*.cdx.json
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --short-PURLs --output-reproducible \
	  --of JSON --output-file dist/sbom.cdx.json requirements.lock
	@$(BIN)/cyclonedx-py requirements --short-PURLs --output-reproducible \
	  --of JSON --output-file dist/sbom-tracing.cdx.json requirements-tracing.lock

advisories: $(DEV_STAMP)  ## known vulnerabilities of what the locks name; says so where no source answers
	@$(BIN)/python .ci/advisories

images: $(BIN)/python  ## whether the images that deploy/ stands on are named by digest, as a release's must be
	@$(BIN)/python .ci/images

conformance: $(RUN_STAMP)  ## what the public suites check, on a sandbox over TLS (ARGS=--help)
	@$(BIN)/flask conformance run $(ARGS)

migrate: $(RUN_STAMP)  ## bring the database of DATABASE_URL to the newest schema
	$(BIN)/alembic upgrade head

sandbox: $(RUN_STAMP)  ## a sandbox plan of MEMBERS members from SEED
	$(BIN)/flask sandbox create --members $(MEMBERS) --seed $(SEED)

# Whatever this machine's pip is configured to, the lock speaks of the public index alone.
LOCK := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_INDEX_URL PIP_CONFIG_FILE=/dev/null \
  CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: $(DEV_STAMP)  ## compile the lock files from setup.cfg, and the clients' own (ARGS=--upgrade takes newer versions)
	$(LOCK) $(ARGS) --output-file requirements.lock setup.cfg
	$(LOCK) $(ARGS) --extra test --extra dev --constraint requirements.lock --output-file requirements-dev.lock setup.cfg
	$(LOCK) $(ARGS) --extra tracing --constraint requirements-dev.lock --output-file requirements-tracing.lock setup.cfg
	$(LOCK) $(ARGS) --output-file tests/clients/requirements.txt tests/clients/requirements.in
	rm -rf latchstring.egg-info

clean:  ## forget the sandbox (its database, mail and sign-ins)
	rm -rf var

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Latchstring needs Python 3.11 or newer; name one: make PYTHON=python3.12 run' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@echo 'Installing (once for each lock file) ...'
	@$(PIP) -r requirements.lock
	@rm -f $(VENV)/.run-*
	@touch $@

$(DEV_STAMP): | $(RUN_STAMP)
	@echo 'Installing what the tests need (once for each lock file) ...'
	@$(PIP) -r requirements-dev.lock
	@rm -f $(VENV)/.dev-*
	@touch $@

$(CLIENTS_STAMP):
	@echo 'Installing the clients of the tests (once for each lock file) ...'
	@$(PYTHON) -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --disable-pip-version-check --quiet --no-compile --require-hashes --no-deps \
	  -r tests/clients/requirements.txt
	@touch $@
