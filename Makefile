# Everything a newcomer needs: `make demo` shows it, `make test` proves it. Both do their own set-up in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests wait about as much as they work. JOBS=0 runs them one after the other.
# pytest ends with 5 where ARGS choose none of the tests.
JOBS   ?= 2
# Compiled once and not by each of a hundred processes, whatever the environment says: `make test` takes a third less so.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint format bench golden clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Run the main job: manifests in, a real Envoy re-encrypting out
	@$(BIN)/kubelb-xds demo $(ARGS)

test: $(VENV)/.dev ## Run every test (ARGS='-k name' for some)
	@$(BIN)/python -m tests.envtest.assets >/dev/null
	$(PYTEST) -m 'not alone' $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -m alone $(ARGS) || [ $$? -eq 5 ]

test-fast: $(VENV)/.dev ## Run the tests that start no program, neither Envoy, nor the API server, nor us: about a minute
	KUBELB_XDS_TEST_FAST=1 $(PYTEST) -m 'not envoy and not kubernetes and not process and not alone' $(ARGS)

lint: $(VENV)/.dev ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Print what messages cost, and 10,000 LoadBalancers on a real API server
	$(BIN)/python -m bench.messages
	$(BIN)/python -m bench.kubernetes

golden: $(VENV)/.dev ## Write the translation's golden files anew: read the diff before you commit it
	$(BIN)/python -m pytest tests/xds/translate --update-golden

clean: ## Remove what was installed and cached here
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# One environment; each extra leaves a stamp, and pyproject.toml makes them stale. uv where it is installed, else pip.
$(VENV)/.dev: EXTRA := dev
$(VENV)/.demo: EXTRA := demo
$(VENV)/.dev $(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11: install a newer one, or say which: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Installing kubelb-xds[$(EXTRA)] into $(VENV): a minute or two the first time."
	@if command -v uv >/dev/null; then \
	  test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --editable '.[$(EXTRA)]'; \
	else \
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]'; \
	fi
	@touch $@
