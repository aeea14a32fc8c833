# Everything a developer does with Vigie. `make` alone lists it.
PYTHON ?= python3
FEED ?=
ARGS ?=
RUNS ?= 1
MINUTES ?= 10
SEED ?=
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
SCRIPTS := node_modules/.package-lock.json
PIN := env -u PIP_FIND_LINKS $(BIN)/python -m piptools compile --quiet --generate-hashes --strip-extras \
       --no-emit-index-url --no-emit-find-links --allow-unsafe

.DEFAULT_GOAL := help
.PHONY: help setup run reset test check bench faults soak fmt requirements

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

setup: $(RUNTIME) $(SCRIPTS)  ## make .venv and node_modules, nothing else

run: setup  ## start everything with a simulated town; FEED=network.zip for a real network; Ctrl-C ends it
	@$(BIN)/python -m backend $(if $(FEED),--feed "$(FEED)") $(ARGS)

reset:  ## forget the embedded database: the next `make run` starts afresh
	@rm -rf .vigie && echo "· .vigie is gone: the next make run starts afresh"

test: check  ## install what is missing, then check and run every test on SQLite and PostgreSQL; ARGS="-k night"
	@$(BIN)/python -m tests.machine
	@$(BIN)/python -m pytest $(ARGS)

check: $(DEVELOPMENT) $(SCRIPTS)  ## what must hold before any test: ruff and mypy
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy

bench: $(DEVELOPMENT) $(SCRIPTS)  ## measure on this machine, on a PostgreSQL of its own; ARGS="--quick"
	@$(BIN)/python -m bench $(ARGS)

faults: $(DEVELOPMENT)  ## break an installation in every known way, RUNS=5 times, and write docs/faults.md
	@$(BIN)/python -m faults run p1 --runs $(RUNS) --write docs/faults.md $(ARGS)

soak: $(DEVELOPMENT)  ## break things at random for MINUTES=10; SEED=… repeats one
	@$(BIN)/python -m faults soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fmt: $(DEVELOPMENT)  ## format and put right what ruff can
	@$(BIN)/python -m ruff check --fix . ; $(BIN)/python -m ruff format .

requirements: $(DEVELOPMENT)  ## pin the newest versions, with hashes, into requirements*.txt
	$(PIN) --upgrade --output-file=requirements.txt requirements.in
	$(PIN) --upgrade --output-file=requirements-dev.txt requirements-dev.in
	$(PIN) --upgrade --output-file=requirements-node.txt requirements-node.in

$(RUNTIME): requirements.txt environment.py
	@$(PYTHON) environment.py python requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@$(PYTHON) environment.py python requirements-dev.txt
	@touch $@

$(SCRIPTS): package-lock.json environment.py | $(RUNTIME)
	@$(PYTHON) environment.py node
	@touch $@
