.DEFAULT_GOAL := help
.PHONY: help serve test check fuzz soak bench fmt

BIN := .venv/bin
ARGS ?=
EXAMPLES ?= 300
SECONDS ?= 600
NODES ?= 2

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: ## Start Talas on this machine
	@scripts/environment.sh serve
	@exec $(BIN)/talas serve $(ARGS)

test: ## Run the tests (ARGS="-k name" for some of them)
	@scripts/environment.sh dev
	@$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: ## Everything that CI checks: format, lint, types, imports, tests
	@scripts/environment.sh dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

fuzz: ## Try every route of the API at length (EXAMPLES=300 for each)
	@scripts/environment.sh dev
	@TALAS_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n 2 tests/whole_api/test_fuzz.py $(ARGS)

soak: ## Kill parts of the chat and check what was promised (SECONDS=600, NODES=2, REDIS=1)
	@scripts/environment.sh dev
	@$(BIN)/python -m tests.domains.chat.history_checker --seconds $(SECONDS) --nodes $(NODES) \
		$(if $(REDIS),--redis) --clients 60 --pause 0.3 $(ARGS)

bench: ## Measure against the targets, as one table
	@scripts/environment.sh dev
	@$(BIN)/python -m benchmarks $(ARGS)

fmt: ## Format, and repair what ruff can
	@scripts/environment.sh dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
