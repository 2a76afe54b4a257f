# vboxlab: `make` alone shows what there is to make.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VBOXLAB := $(BIN)/vboxlab
STAMP := $(VENV)/.installed
CATALOGUES := $(patsubst %.po,%.mo,$(shell find vboxlab -path '*/locale/*.po'))
SAY := printf '\n== %s\n'

# Commands that the QEMU driver and `base build` need, each with the Debian package that has it.
COMMANDS := qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mmdebstrap:mmdebstrap mke2fs:e2fsprogs
TEST_COMMANDS := $(COMMANDS) sshd:openssh-server ssh:openssh-client cc:gcc

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s@ 2>/dev/null \
	  || sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1  \2/p' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Set everything up, build the base, bring the failover lab up and prove it
	@$(MAKE) --no-print-directory system COMMANDS="$(COMMANDS)"
	@$(MAKE) --no-print-directory $(STAMP)
	@$(SAY) "building the Debian base (once; later runs take it from the cache)"
	$(VBOXLAB) base build
	@$(SAY) "bringing the lab up"
	$(VBOXLAB) up failover --driver qemu
	@$(SAY) "proving it: the master loses its power while a client measures"
	$(VBOXLAB) verify failover --driver qemu

.PHONY: system
system:
	@missing=""; for pair in $(COMMANDS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; done; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  printf '\n== installing Debian packages:%s\n' "$$missing"; \
	  root=""; [ "$$(id -u)" = 0 ] || root="sudo"; \
	  $$root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q && apt-get install -q -y --no-install-recommends $$missing" \
	    >/tmp/vboxlab-apt.$$$$.log 2>&1 || { cat /tmp/vboxlab-apt.$$$$.log; exit 1; }; \
	  rm -f /tmp/vboxlab-apt.$$$$.log; fi

$(STAMP): pyproject.toml hatch_build.py
	@$(SAY) "installing vboxlab into $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(CATALOGUES): %.mo: %.po | $(STAMP)
	@$(BIN)/python -m tests.catalogues --compile

.PHONY: install
install: system $(STAMP) $(CATALOGUES) ## Install vboxlab and what it needs into .venv, and the hooks of pre-commit
	@! git rev-parse --git-dir >/dev/null 2>&1 || $(BIN)/pre-commit install

# Guests come last and alone: two processors are few for ten of them. All parts share one base, and each runs although
# one before it failed: one run shows all that is wrong.
WITH_ONE_BASE = kept="$$VBOXLAB_TEST_HOME"; export VBOXLAB_TEST_HOME="$${kept:-$$(mktemp -d)}"; code=0; \
  $(1) || code=$$?; \
  $(MAKE) --no-print-directory part-apart || code=$$?; $(MAKE) --no-print-directory part-lab || code=$$?; \
  [ "$$kept" ] || rm -rf "$$VBOXLAB_TEST_HOME"; exit $$code

.PHONY: test
test: ## Run all tests here, those on real QEMU guests included
	@$(MAKE) --no-print-directory system COMMANDS="$(TEST_COMMANDS)"
	@$(MAKE) --no-print-directory $(STAMP)
	@$(SAY) "running the tests; the first guest is booted after the quick ones, once its base image is built"
	@$(call WITH_ONE_BASE,$(MAKE) --no-print-directory --keep-going lint part-quick)

.PHONY: test-all
test-all: ## Run all tests, those on a real VirtualBox beside the quick ones (needs root)
	@$(MAKE) --no-print-directory system COMMANDS="$(TEST_COMMANDS) unshare:util-linux"
	@$(MAKE) --no-print-directory $(STAMP)
	@$(SAY) "running the tests; what those on VirtualBox do meanwhile is shown after the quick ones"
	@$(call WITH_ONE_BASE,$(BIN)/python -m tests.side_by_side '$(MAKE) --no-print-directory --keep-going lint part-quick' \
	  $(VIRTUALBOX_PARTS))

# A selection of tests may leave a part without any (5), but nothing else may.
PART_OF_TESTS = $(BIN)/pytest -m '$(1)' $(PYTEST)$(if $(PYTEST), || [ $$? = 5 ])

# Tests on VirtualBox wait as much as they work, and each has a VirtualBox of its own: two halves run at once. A selection
# of tests is not cut in two.
IN_VIRTUALBOX = $(BIN)/python tests/virtualbox/harness.py --
VIRTUALBOX_PARTS = '$(MAKE) --no-print-directory part-virtualbox'$(if $(PYTEST),, \
  '$(MAKE) --no-print-directory part-virtualbox-rest')

.PHONY: part-quick part-apart part-lab part-virtualbox part-virtualbox-rest
part-quick: $(STAMP)
	$(call PART_OF_TESTS,not virtualbox and not guests)
part-apart: $(STAMP)
	$(call PART_OF_TESTS,guests and apart and not long)
part-lab: $(STAMP)
	$(call PART_OF_TESTS,guests and not apart and not long)
part-virtualbox: $(STAMP)
	$(IN_VIRTUALBOX) $(or $(PYTEST),tests/contract tests/virtualbox/test_[a-k]*.py)
part-virtualbox-rest: $(STAMP)
	$(IN_VIRTUALBOX) tests/virtualbox/test_[l-z]*.py

.PHONY: test-fast
test-fast: $(STAMP) ## Run the tests that start no machine
	$(BIN)/pytest -q -m 'not virtualbox and not qemu and not guests' $(PYTEST)

.PHONY: test-long
test-long: ## Run the tests on real guests that take longest, with the labs that they go on from (not part of CI)
	@$(MAKE) --no-print-directory system COMMANDS="$(TEST_COMMANDS)"
	@$(MAKE) --no-print-directory $(STAMP)
	@code=0; $(BIN)/pytest -m 'guests and apart and long' $(PYTEST) || code=$$?; \
	  $(BIN)/pytest -m 'guests and not apart' $(or $(PYTEST),tests/guests/test_up.py tests/guests/test_lab.py) || code=$$?; exit $$code

.PHONY: test-virtualbox
test-virtualbox: ## Run the driver's tests on a real VirtualBox (needs root; makes a chroot for it)
	@$(MAKE) --no-print-directory system COMMANDS="mmdebstrap:mmdebstrap cc:gcc unshare:util-linux"
	@$(MAKE) --no-print-directory $(STAMP)
	@$(BIN)/python -m tests.side_by_side $(VIRTUALBOX_PARTS)

# Sequences by their seeds; what has been done is kept in RESULTS, and the next run goes on from there.
COUNT ?= 1000
SEED ?= 1
RESULTS ?= campaign-results

.PHONY: campaign
campaign: $(STAMP) ## Try to make vboxlab lose something: COUNT random sequences with troubles from SEED on (memory driver)
	$(BIN)/python -m tests.campaign --count $(COUNT) --seed $(SEED) --results '$(RESULTS)'

.PHONY: campaign-virtualbox
campaign-virtualbox: $(STAMP) ## The same on a real VirtualBox, with processes that are really killed (needs root)
	$(BIN)/python tests/virtualbox/harness.py --share '$(RESULTS)-virtualbox' --command -- \
	  python -m tests.campaign --driver virtualbox --count $(COUNT) --seed $(SEED) --results /shared

.PHONY: campaign-planted
campaign-planted: $(STAMP) ## Put bugs in on purpose, one by one, and see that the campaign finds each
	$(BIN)/python -m tests.campaign --planted all --count 400 --seed $(SEED)

.PHONY: prove-failover
prove-failover: $(STAMP) ## Verify the failover lab RUNS times on emulated guests and report how its figures spread (resumable)
	$(BIN)/python -m tests.prove_failover --runs $(or $(RUNS),10) --results '$(or $(RESULTS),failover-runs)'

.PHONY: prove-practicals
prove-practicals: $(STAMP) ## Bring every practical of tests/guests up on emulated guests and verify it (resumable)
	$(VBOXLAB) base build
	$(BIN)/python -m tests.prove_practicals $(PRACTICALS) --results '$(if $(filter file,$(origin RESULTS)),practical-results,$(RESULTS))'

.PHONY: prove-grading
prove-grading: $(STAMP) ## Prove the schemes of both topologies by their mutants on emulated guests (resumable; TOPOLOGIES="failover")
	$(VBOXLAB) base build
	@for topology in $(or $(TOPOLOGIES),failover loadbalancing); do \
		results='$(if $(filter file,$(origin RESULTS)),grading-proofs,$(or $(RESULTS),grading-proofs))'/$$topology; \
		$(VBOXLAB) up $$topology --copy untouched --driver qemu --exercise && \
		$(VBOXLAB) grade $$topology --copy untouched --driver qemu --prove --mutant exercise --results "$$results" || failed=1; \
		$(VBOXLAB) destroy $$topology --copy untouched --driver qemu --yes; \
		$(VBOXLAB) up $$topology --copy proving --driver qemu --yes && \
		$(VBOXLAB) grade $$topology --copy proving --driver qemu --prove --yes --results "$$results" || failed=1; \
	done; test -z "$$failed"

.PHONY: record-verdicts
record-verdicts: $(STAMP) ## Ask the real programs what they make of the corpus of student files (needs root; KINDS="hosts …")
	@$(MAKE) --no-print-directory system COMMANDS="mmdebstrap:mmdebstrap unshare:util-linux ip:iproute2"
	$(BIN)/python -m tests.corpus.record $(KINDS)

.PHONY: prove-virtualbox
prove-virtualbox: ## Bring a lab up on VirtualBox with its kernel driver, emulated (needs root; slow, not part of CI)
	@$(MAKE) --no-print-directory system COMMANDS="$(COMMANDS) debugfs:e2fsprogs unshare:util-linux ssh:openssh-client"
	@$(MAKE) --no-print-directory $(STAMP)
	$(BIN)/python -m tests.virtualbox.prove $(if $(CACHE),--cache '$(CACHE)')

.PHONY: architecture
architecture: $(STAMP) ## Draw the layers of the package anew, from its imports
	$(BIN)/python -m tests.architecture

.PHONY: lint
lint: $(STAMP) ## Check style and types
	@$(SAY) "checking style and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/portability.toml --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --config-file tests/portability.toml --platform darwin --cache-dir .mypy_cache/darwin

.PHONY: format
format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: catalogues
catalogues: $(STAMP) ## Bring the French catalogues up to date with the code (TRANSLATIONS: JSON files to put in)
	$(BIN)/python -m tests.catalogues $(TRANSLATIONS)

.PHONY: clean
clean: ## Remove the virtual environment and caches (labs and bases stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
