# Everything a person or a build does with Heddle. A fresh machine needs Python 3.11 or newer, make and git;
# each target sets up what it needs in .venv, and again only when its lock has changed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test lint generate bench soak lock clean .venv

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Start Heddle with everything it needs, and run the example (ONESHOT=1: then stop)
	@$(RUN) -m service dev --example $(if $(filter 1,$(ONESHOT)),--oneshot)

test: $(VENV)/.dev ## Run the whole test suite
	@$(RUN) -m pytest --numprocesses 3 --dist loadfile $(ARGS)

lint: $(VENV)/.dev ## Check style, types, protos and that the generated code is fresh
	@$(RUN) -m tools.lint

generate: $(VENV)/.dev ## Write generated/ anew from protos/
	@$(RUN) -m tools.generate

bench: $(VENV)/.dev ## Measure how fast Heddle is on this machine
	@$(RUN) -m bench $(ARGS)

soak: $(VENV)/.dev ## Race and kill a whole Heddle, and count what is lost, doubled or stuck
	@$(RUN) -m soak $(ARGS)

lock: $(VENV)/.dev ## Resolve the dependencies of pyproject.toml into requirements/
	@$(RUN) -m tools.lock

clean: ## Remove .venv and the tools' caches; the data in .heddle stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv: $(VENV)/.dev ## Set up the tools for developing in .venv

# A stamp is made anew when its lock is newer. `run` needs the runtime alone, and so is ready sooner. The two import roots
# are named relative to the packages' folder, so that a copied checkout does not import from the one it was copied from.
$(VENV)/.runtime: requirements/runtime.txt
	@$(PYTHON) -c 'import sys; sys.exit("Heddle needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (once)"
	@$(RUN) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --require-hashes --requirement requirements/runtime.txt
	@printf '../../../..\n../../../../generated\n' > $$($(RUN) -c 'import site; print(site.getsitepackages()[0])')/heddle.pth
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Adding the developers' tools to $(VENV) (once)"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@
