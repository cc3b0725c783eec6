# What one types. `make help` lists it. Each gate of `make check` can be run alone: `make types`.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1
export PYTHONWARNINGS :=
# One step's name, its time, and its output only when it failed or VERBOSE is set.
step = @start=$$(date +%s%N); if out=$$($(2) 2>&1); then [ -z "$(VERBOSE)" ] || echo "$$out"; \
  printf '  ok   %-12s %5.1f s\n' $(1) $$(( ($$(date +%s%N) - start) / 100000000 ))e-1; \
  else echo "$$out"; printf '  FAIL %-12s\n' $(1); exit 1; fi

.PHONY: help env run test check lint types imports drift template unit flows contracts bench lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

env: $(STAMP) ## the environment: Python 3.13 and everything pinned

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml tools/find-python
	@python=$$(tools/find-python) || exit 1; \
	  [ "$$python" = "$(CURDIR)/$(BIN)/python" ] || $$python -m venv --clear $(VENV) || exit 1
	@echo "installing the pinned requirements (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: env ## the whole CRM on this machine, with a demo company; Ctrl-C stops it
	@exec $(BIN)/zebros up

test: check flows ## every check, and the deployed system driven from outside

check: lint types imports drift template unit ## every gate that needs no running platform

lint: env ## ruff: style and format
	$(call step,lint,$(BIN)/ruff check . && $(BIN)/ruff format --check .)

types: env ## mypy --strict
	$(call step,types,$(BIN)/mypy)

imports: env ## who may import whom
	$(call step,imports,$(BIN)/lint-imports --no-cache)

drift: env ## generated contracts match the code
	$(call step,drift,for t in schemas openapi asyncapi examples requests; do $(BIN)/python -m tools.$$t --check || exit 1; done)

template: env ## cfn-lint and sam validate
	$(call step,cfn-lint,$(BIN)/cfn-lint template.yaml infra/*.yaml examples/*/template.yaml)
	$(call step,sam,$(BIN)/sam validate --lint)

unit: env ## unit, component, contract and template tests
	$(call step,tests,$(BIN)/pytest tests/unit tests/component tests/contracts tests/template)

flows: env ## build, deploy to the local platform, drive it
	$(BIN)/pytest tests/flows --durations=15 -p no:cacheprovider

contracts: env ## write schemas, OpenAPI, AsyncAPI, examples and sample requests
	@for t in schemas openapi asyncapi examples requests; do $(BIN)/python -m tools.$$t || exit 1; done

bench: env ## ratios against the references of docs/budgets.md
	@$(BIN)/python -m tools.bench

lock: env ## pin all requirements again, with hashes
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.13 --no-header \
	  --no-emit-index-url requirements/dev.in -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.13 --no-header --no-emit-index-url \
	  -c requirements/dev.txt requirements/uv.in -o requirements/uv.txt
	@for folder in layers/deps layers/auth worker examples/subscriber; do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.13 --no-header \
	    --no-emit-index-url $$( [ $$folder = examples/subscriber ] || echo -c requirements/dev.txt ) \
	    $$folder/requirements.in -o $$folder/requirements.txt; done

clean: ## remove what was built; the platform's data in .local stays
	rm -rf .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
