# Everything a newcomer needs: `make demo` shows it, `make test` proves it. Both do their own set-up in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests wait about as much as they work. JOBS=0 runs them one after the other.
# pytest ends with 5 where ARGS choose none of the tests.
JOBS   ?= 4
# Compiled once and not by each of a hundred processes, whatever the environment says: collecting the tests takes 5 s so, not 16.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help demo demo-kubernetes test test-fast lint audit requirements format bench bench-peer soak golden protos clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Run the main job: manifests in, a real Envoy re-encrypting out
	@$(BIN)/kubelb-xds demo $(ARGS)

demo-kubernetes: $(VENV)/.dev ## Play the reference's tutorial with kubectl on two real API servers, CCM, control plane and Envoy
	@$(BIN)/python -m tests.tutorial $(ARGS)

test: $(VENV)/.dev ## Run every test (ARGS='-k name' for some)
	@$(BIN)/python -m tests.envtest.assets >/dev/null
	@$(BIN)/python -m tests.grpcurl.program >/dev/null
	@$(BIN)/python -m bench.programs >/dev/null
	$(PYTEST) -m 'not alone' $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -m alone $(ARGS) || [ $$? -eq 5 ]

test-fast: $(VENV)/.dev ## Run the tests that start no program, neither Envoy, nor the API server, nor us: about a minute
	KUBELB_XDS_TEST_FAST=1 $(PYTEST) -m 'not envoy and not kubernetes and not process and not browser and not alone' $(ARGS)

lint: $(VENV)/.dev ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/.dev ## Look for known vulnerabilities in what the image installs (asks PyPI)
	$(BIN)/pip-audit --requirement requirements.txt --requirement requirements-build.txt --require-hashes --disable-pip --vulnerability-service pypi --strict \
	  --progress-spinner off

format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Print what messages cost, 10,000 LoadBalancers on a real API server, 1,000 Services of a tenant, and metrics
	$(BIN)/python -m bench.messages
	$(BIN)/python -m bench.kubernetes
	$(BIN)/python -m bench.ccm
	$(BIN)/python -m bench.metrics

bench-peer: $(VENV)/.dev ## Measure side by side with go-control-plane, by turns: a quarter of an hour, on a quiet machine (ARGS=--help)
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.side_by_side $(ARGS)

soak: $(VENV)/.dev ## Have 2,000 clients vanish, hang, refuse and rush on one server for 6 minutes, and see what held (ARGS='--seconds 60')
	$(BIN)/python -m bench.soak $(ARGS)

golden: $(VENV)/.dev ## Write the golden files and the tables of docs/metrics.md anew: read the diff before you commit it
	$(BIN)/python -m pytest tests/xds/translate tests/xds/app/test_metrics_documented.py --update-golden

# What is pinned already stays as long as it fits; `make requirements ARGS=--upgrade` takes the newest. One file serves every Python and
# processor, and holds no index's address.
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command 'make requirements'
requirements: $(VENV)/.dev ## Pin what the image installs, with hashes, as pyproject.toml has it
	$(PIN) $(ARGS) --output-file requirements.txt pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(PIN) $(ARGS) --output-file requirements-build.txt -

protos: $(VENV)/.dev ## Generate the debug service's code anew from protos/
	$(BIN)/python -m protos.generate

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
