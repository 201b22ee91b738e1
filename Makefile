# Recoup. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/events libs/declines libs/chassis services/gateway-adapter services/retry-scheduler \
           services/notifier services/portal-api deploy/practice_gateway deploy/local
SOURCES := libs services deploy tests

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

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

.PHONY: faults
KILLS ?= 3
SEED ?= 1
faults: setup ## kill -9 each service under load: make faults KILLS=25 SEED=4
	@KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m pytest tests/faults -q -s
