# What a person types. Everything needs only python3 (3.11 or newer) and make; the rest is installed into .venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run test afternoon check bench format configuration schema lock clean

VENV_PYTHON := .venv/bin/python
# both cores; a file's tests stay together, since some share servers
PYTEST_ARGS ?= -n 2 --dist loadfile

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## install what running needs
	@scripts/setup.sh requirements.txt

setup-dev: ## install what testing and checking need too
	@scripts/setup.sh requirements-dev.txt

demo: setup ## the whole system on a simulated company; Ctrl-C stops it (PORT=8000)
	@exec $(VENV_PYTHON) manage.py demo

run: setup ## the same system for your own ATS account (PORT=8000)
	@exec $(VENV_PYTHON) manage.py stack

test: setup-dev ## every test, on real servers and workers
	@scripts/install-test-tools.sh
	@$(VENV_PYTHON) -m pytest -q $(PYTEST_ARGS)

afternoon: setup-dev ## an operator's afternoon, scripted: start, alert, restart under load, restore (5 minutes)
	@scripts/install-test-tools.sh
	@$(VENV_PYTHON) -m pytest -q -m afternoon tests/deploy/test_afternoon.py

check: setup-dev ## format, lint, types, import contracts, migrations, OpenAPI, deployment
	@scripts/check.sh

bench: setup-dev ## ours beside peers and limits, in one run
	@$(VENV_PYTHON) -m benchmarks $(BENCH_ARGS)

format: setup-dev ## rewrite the code in the agreed format
	@$(VENV_PYTHON) -m ruff format -q . && $(VENV_PYTHON) -m ruff check -q --fix .

configuration: setup-dev ## write docs/configuration.md anew
	@$(VENV_PYTHON) scripts/configuration.py

schema: setup-dev ## write docs/openapi.yaml and docs/realtime.schema.json anew
	@$(VENV_PYTHON) -m realtime.messages >docs/realtime.schema.json
	@$(VENV_PYTHON) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: ## pin what pyproject.toml asks for (needs uv)
	@scripts/lock.sh

clean: ## remove var/: the embedded servers' data, logs and local secrets
	@$(VENV_PYTHON) scripts/clean.py
