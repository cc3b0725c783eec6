# What one types; `make help` lists it. Each gate of `make check` can be run alone: `make types`.
# A step prints its name and its time, and what it said only when it failed or VERBOSE is set.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
GENERATED := schemas openapi asyncapi examples requests
# Gates that run beside each other; more than the machine's cores would only make each look slow.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1

now = $$(date +%s%N)
since = $$(( ($(now) - start) / 100000000 ))e-1
step = @start=$(now); if said=$$($(2) 2>&1); then [ -z "$(VERBOSE)" ] || echo "$$said"; \
  printf '  ok   %-10s %6.1f s\n' $(1) $(since); \
  else echo "$$said"; printf '  FAIL %-10s %6.1f s\n' $(1) $(since); exit 1; fi
uv = VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
lock = $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.13 --no-header --no-emit-index-url

.PHONY: help env run test check gates lint types imports drift template unit component flows contracts bench lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

env: $(STAMP) ## the environment: Python 3.13 and everything pinned, by hash

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	@python=$$(tools/find-python) || exit 1; \
	  [ "$$python" = "$(CURDIR)/$(BIN)/python" ] || "$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip -q
	$(call step,uv,$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt)
	$(call step,packages,$(uv) pip install --quiet --require-hashes -r requirements/dev.txt)
	$(call step,zebros,$(uv) pip install --quiet --no-deps --no-build-isolation -e .)
	@touch $@

run: env ## the whole CRM on this machine, with a demo company; Ctrl-C stops it
	@exec $(BIN)/zebros up

test: check flows ## every check, and the deployed system driven from outside

check: env ## every gate that needs no running platform, some beside each other
	@start=$(now); $(MAKE) --no-print-directory -j$(JOBS) gates && printf '  ok   %-10s %6.1f s\n' check $(since)

# The longest first, so that the short ones fill the other cores.
gates: component unit types template lint imports drift

lint: env ## ruff: style and format
	$(call step,$@,$(BIN)/ruff check . && $(BIN)/ruff format --check .)

types: env ## mypy --strict
	$(call step,$@,$(BIN)/mypy)

imports: env ## who may import whom
	$(call step,$@,$(BIN)/lint-imports --no-cache)

drift: env ## what is generated from the code is up to date
	$(call step,$@,for t in $(GENERATED); do $(BIN)/python -m tools.$$t --check || exit 1; done)

template: env ## cfn-lint and sam validate
	$(call step,cfn-lint,$(BIN)/cfn-lint template.yaml infra/*.yaml examples/*/template.yaml)
	$(call step,sam,$(BIN)/sam validate --lint)

unit: env ## unit, contract and template tests
	$(call step,$@,$(BIN)/pytest tests/unit tests/contracts tests/template)

component: env ## component tests: handlers with an AWS in memory
	$(call step,$@,$(BIN)/pytest tests/component)

flows: env ## build, deploy to the local platform, drive it from outside
	@$(BIN)/pytest tests/flows --durations=10

contracts: env ## write schemas, OpenAPI, AsyncAPI, examples and sample requests
	@for t in $(GENERATED); do $(BIN)/python -m tools.$$t || exit 1; done

bench: env ## ratios of timings against their references, on this machine
	@$(BIN)/python -m tools.bench

lock: env ## pin all requirements again, with hashes
	@$(lock) --upgrade requirements/dev.in -o requirements/dev.txt
	@for one in requirements/uv requirements/container layers/deps/requirements layers/auth/requirements worker/requirements; do \
	  $(lock) -c requirements/dev.txt $$one.in -o $$one.txt || exit 1; done
	@$(lock) examples/subscriber/requirements.in -o examples/subscriber/requirements.txt

clean: ## remove what was built; the platform's data in .local stays
	rm -rf .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
	find services local tools tests -name __pycache__ -prune -exec rm -rf {} +
