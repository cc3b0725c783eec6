# `make help` lists the targets. Each gate of `make check` can be run alone: `make types`.
# A step prints its name and its time, and its output only when it failed or VERBOSE is set.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
TEMPLATES := $(wildcard template.yaml infra/*.yaml infra/modules/*.yaml services/*/template.yaml examples/*/template.yaml)
GENERATED := mappings scaling_policy monitoring phase_moves schemas openapi asyncapi gateway scaling_moves examples requests problems cli_contract simulation_inputs simulation_costs growing plots
# Tests run in one and a half times as many processes as the machine has cores, because some tests wait.
CORES := $(shell nproc 2>/dev/null || echo 2)
TESTERS ?= $(shell echo $$(( ($(CORES) * 3 + 1) / 2 )))
# `sam build` starts another make, which is to have no options of this one.
alone = env MAKEFLAGS= $(BIN)/pytest
# schemathesis takes seconds to import, and only the flows use it.
pytest = $(alone) -p no:schemathesis -n $(TESTERS) --dist
# Without compiled files every process would compile the SAM CLI and boto3 again: 3.7 s instead of 1.2 s.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1

now = $$(date +%s%N)
since = $$(( ($(now) - start) / 100000000 ))e-1
step = @start=$(now); if output=$$($(2) 2>&1); then [ -z "$(VERBOSE)" ] || echo "$$output"; \
  printf '  ok   %-10s %6.1f s\n' $(1) $(since); \
  else echo "$$output"; printf '  FAIL %-10s %6.1f s\n' $(1) $(since); exit 1; fi
uv = VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
lock = $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.13 --no-header --no-emit-index-url

.PHONY: help env run test check gates static cfn-lint sam lint types imports drift template unit kernel component reporting platform judge judges supply-chain identity mutations flows slow chaos regions contracts simulation bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

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

# Flows and tests of the platform wait for processes of theirs, so both run together, and each shows its output at its end.
test: env ## every check, and tests of the deployed system through its APIs
	@start=$(now); $(MAKE) --no-print-directory gates && $(MAKE) --no-print-directory -j2 -O flows platform \
	  && printf '  ok   %-10s %6.1f s\n' test $(since)

check: env ## every gate that needs no deployed system
	@start=$(now); $(MAKE) --no-print-directory gates platform && printf '  ok   %-10s %6.1f s\n' check $(since)

# What uses one core first, together, the longest in front; then what uses every core, one after the other.
gates: static unit kernel component reporting

static: env ## every gate that runs no tests, as many at a time as the machine has cores
	@$(MAKE) --no-print-directory -j$(CORES) lint imports sam types drift cfn-lint

lint: env ## ruff: style and format
	$(call step,$@,$(BIN)/ruff check . && $(BIN)/ruff format --check .)

types: env ## mypy --strict
	$(call step,$@,$(BIN)/mypy)

imports: env ## import rules
	$(call step,$@,$(BIN)/python -m tools.imports)

drift: env ## generated files are up to date
	$(call step,$@,for t in $(GENERATED); do $(BIN)/python -m tools.$$t --check || exit 1; done)

template: cfn-lint sam ## cfn-lint and sam validate

cfn-lint: env
	$(call step,$@,$(BIN)/cfn-lint $(TEMPLATES) infra/tuning/template.yaml)

sam: env
	$(call step,$@,$(BIN)/python -m tools.validate $(TEMPLATES))

unit: env ## unit, contract and template tests
	$(call step,$@,$(pytest) worksteal tests/unit tests/contracts tests/template)

kernel: env ## component tests of the shared kernel, with an AWS in memory
	$(call step,$@,$(pytest) worksteal tests/component/kernel)

component: env ## component tests of the contexts: their handlers, with an AWS in memory
	$(call step,$@,$(pytest) worksteal tests/component $(foreach one,kernel zebros reporting,--ignore tests/component/$(one)))

reporting: env ## component tests of reporting: state machine, worker, queries and files
	$(call step,$@,$(pytest) worksteal tests/component/reporting)

platform: env ## component tests of local platform and command line: real processes on loopback
	$(call step,$@,$(pytest) loadfile tests/component/zebros)

JUDGED = records relay consumers idempotency cursor
judge: env ## tables, relay and budgets again, against DynamoDB Local (JDK 17 and Maven)
	@start=$(now); output=$$($(BIN)/python -m tools.dynamodb_local $(pytest) worksteal \
	  $(JUDGED:%=tests/component/kernel/test_%.py) tests/component/test_budgets.py tests/component/test_flat_cost.py 2>&1); \
	  case $$? in 0) printf '  ok   %-10s %6.1f s\n' $@ $(since);; \
	  69) echo "  --   judge      left out: $$output"; [ -z "$$CI" ];; \
	  *) echo "$$output"; printf '  FAIL %-10s %6.1f s\n' $@ $(since); exit 1;; esac

identity: env ## Keycloak: two nodes on one PostgreSQL, and its image (JDK 17, Maven, PostgreSQL, Docker)
	@$(BIN)/pytest -p no:schemathesis -s tests/identity --durations=5
JUDGES := build/judges
$(JUDGES)/.made: requirements/judges.txt $(wildcard tools/judges/node/*.*)
	@mkdir -p $(JUDGES)/node
	@cp tools/judges/node/*.* $(JUDGES)/node
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(JUDGES)/venv
	@VIRTUAL_ENV=$(CURDIR)/$(JUDGES)/venv $(BIN)/uv pip install --quiet --require-hashes -r requirements/judges.txt
	@npm ci --silent --no-audit --no-fund --prefix $(JUDGES)/node
	@touch $@

judges: env ## cdk-nag, checkov, asl-validator and parliament over the resolved templates, Spectral over the API (Node 20)
	@command -v npm >/dev/null || { echo "  --   judges     left out: there is no npm"; [ -z "$$CI" ]; }
	@! command -v npm >/dev/null || { $(MAKE) --no-print-directory $(JUDGES)/.made && $(BIN)/python -m tools.judges; }

SUPPLY := build/supply-chain
$(SUPPLY)/.made: requirements/supply-chain.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SUPPLY)/venv
	@VIRTUAL_ENV=$(CURDIR)/$(SUPPLY)/venv $(BIN)/uv pip install --quiet --require-hashes -r requirements/supply-chain.txt
	@touch $@

supply-chain: env ## secrets, bandit, bills of materials (CycloneDX) and licences of layers and the worker
	@$(MAKE) --no-print-directory $(SUPPLY)/.made && $(BIN)/python -m tools.supply_chain

SAMPLE ?= 60
SEED ?= $(shell date +%j)
mutations: env ## wrong templates, a sample by SEED; all: make mutations SAMPLE=100000
	@$(BIN)/python -m tools.template_mutations --sample $(SAMPLE) --seed $(SEED)

flows: env ## build, deploy to the local platform, test it through its APIs
	@$(alone) tests/flows -m "not slow" --durations=10

slow: env ## flows that take minutes: a year of sales, containers, changes of a copy of the repository
	@$(pytest) loadfile --no-loadscope-reorder tests/flows --ignore tests/flows/test_schemathesis.py -m slow --durations=10

ROUNDS ?= 10
FIRST ?= 1
chaos: env ## rounds of traffic under faults of every kind, by SEED; ROUNDS=100 takes two hours, FIRST=41 continues
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --first $(FIRST)

regions: env ## rounds of moves between two regions, with cuts and deaths, by SEED; ROUNDS=100 takes two hours, FIRST=41 continues
	@$(BIN)/python -m tests.regions --rounds $(ROUNDS) --seed $(SEED) --first $(FIRST)

contracts: env ## write all generated files: schemas, API documents, REST API stack, examples, …
	@for t in $(GENERATED); do $(BIN)/python -m tools.$$t || exit 1; done

simulation: env ## simulate every phase with every number of users and days with the controller, and write docs/simulation.md
	@for t in simulation_page scaling_day growing plots; do $(BIN)/python -m tools.$$t || exit 1; done

bench: env ## ratios of CPU times to their references, on this machine
	@[ -d .aws-sam/build ] || $(BIN)/sam build >/dev/null
	@$(BIN)/python -m tools.bench

lock: env ## pin all requirements again, with hashes
	@$(lock) --upgrade requirements/dev.in -o requirements/dev.txt
	@for one in judges supply-chain; do $(lock) --upgrade requirements/$$one.in -o requirements/$$one.txt || exit 1; done
	@for one in requirements/uv requirements/container layers/deps/requirements layers/auth/requirements layers/analytics/requirements worker/requirements; do \
	  $(lock) -c requirements/dev.txt $$one.in -o $$one.txt || exit 1; done
	@$(lock) examples/subscriber/requirements.in -o examples/subscriber/requirements.txt

clean: ## remove what was built; the platform's data in .local stays
	rm -rf .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
	find services zebros tools tests -name __pycache__ -prune -exec rm -rf {} +
