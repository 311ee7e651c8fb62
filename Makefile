# Two commands: `make course` opens the course, `make test` tests all of it.
# Needs GNU make and a Python 3.11 or newer; everything else is installed into .venv, once.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# Set on the command line (make course PORT=9000) or in the environment.
PYTHON ?=
PORT ?= 8888
HEADLESS ?=
CHAPTERS ?=
JOBS ?= 2
DETLEARN_ENV ?= .venv
export PYTHON PORT HEADLESS JOBS DETLEARN_ENV

RUN := "$(DETLEARN_ENV)/bin/python" -m

# One thread a process: two processes share the cores, and sums come out in the same order.
SERIAL := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help
help: ## this list
	@echo 'make course opens the course; make test tests all of it. Targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables, for example  make course HEADLESS=1 PORT=9000 :'
	@echo '  HEADLESS=1          course: open no browser, only print the address'
	@echo '  PORT=8888           course: the first port to try'
	@echo '  JOBS=2              test, slides, mutants: how many processes'
	@echo '  CHAPTERS="00 02"    notebooks, slides: only these'
	@echo '  PYTHON=python3.12   the Python to make the environment with'
	@echo '  DETLEARN_ENV=.venv  where the environment is; one that you have is used as it is'

.PHONY: course
course: env ## open JupyterLab on notebook 00
	@$(RUN) tools.course open

.PHONY: update
update: env ## the newest course; what you have written in the notebooks stays
	@$(RUN) tools.course update

# 05 trains for minutes: it starts first, and the others run beside it.
.PHONY: test
test: env ## unit tests, doctests and every notebook (strict nbval)
	@status=0; \
	$(SERIAL) $(RUN) pytest -n $(JOBS) --cov --cov-report=term --cov-fail-under=95 || status=1; \
	$(SERIAL) $(RUN) pytest -n $(JOBS) --dist=loadfile --nbval --nbval-current-env \
	  --nbval-cell-timeout=600 --nbval-sanitize-with=sanitize.cfg \
	  notebooks/05_*.ipynb notebooks/*.ipynb || status=1; \
	exit $$status

.PHONY: test-long
test-long: env ## tests that take minutes: 300 kills, the real compiler
	$(SERIAL) $(RUN) pytest --long -rP -p no:cacheprovider

.PHONY: test-colab
test-colab: ## every set-up, and notebook 14 killed twice, with the releases of Colab's image
	@RESOLVE=colab sh tools/make_env.sh .venv-colab
	$(SERIAL) .venv-colab/bin/python -m pytest --long -rP -p no:cacheprovider tests/test_colab.py

# mypy takes longest: it runs beside the others, and says last what it found.
.PHONY: lint
lint: env ## ruff, mypy, codespell, import-linter, generated text
	@status=0; found=$$(mktemp); $(RUN) mypy >"$$found" 2>&1 & mypy=$$!; \
	for check in 'ruff check .' 'ruff format --check .' codespell_lib; do \
	  echo "$$check"; $(RUN) $$check || status=1; \
	done; \
	echo lint-imports; "$(DETLEARN_ENV)/bin/lint-imports" || status=1; \
	echo tools.readme --check; $(RUN) tools.readme --check || status=1; \
	echo mypy; wait $$mypy || status=1; cat "$$found"; rm -f "$$found"; \
	exit $$status

.PHONY: notebooks
notebooks: env ## build and execute notebooks/*.ipynb from notebooks/src/*.py
	$(SERIAL) $(RUN) tools.course build $(CHAPTERS)
	$(RUN) tools.readme

.PHONY: slides
slides: docs-env ## a deck and a PDF of every notebook, in build/slides
	$(RUN) tools.slides $(CHAPTERS)

.PHONY: site
site: docs-env ## the course as a web site, in build/site
	$(RUN) tools.site

.PHONY: test-browser
test-browser: docs-env ## decks, site and explorers in a real browser, without a network
	@$(RUN) tools.chromium --install
	$(RUN) tools.slides
	$(RUN) tools.site
	$(SERIAL) $(RUN) pytest -n $(JOBS) --dist=worksteal -p no:cacheprovider tests/browser

.PHONY: docs-env
docs-env: env ## what slides and site need beyond the course itself
	@$(RUN) tools.docs_env

.PHONY: readme
readme: env ## write what is generated of README.md, CONTRIBUTING.md, docs and CITATION.cff
	$(RUN) tools.readme

.PHONY: mutants
mutants: env ## break the code in known ways; the tests must notice every one
	$(SERIAL) $(RUN) tools.mutants

.PHONY: env
env: ## make the environment (requirements-lock.txt), or find that it is ready
	@sh tools/make_env.sh

.PHONY: env-newest
env-newest: ## the newest releases, in .venv-newest (make test DETLEARN_ENV=.venv-newest)
	@RESOLVE=newest sh tools/make_env.sh .venv-newest

.PHONY: test-oldest
test-oldest: ## make test in .venv-oldest: the floors of requirements.txt
	@RESOLVE=oldest sh tools/make_env.sh .venv-oldest
	@$(MAKE) test DETLEARN_ENV=.venv-oldest

# --universal: for every Python and system that the course knows. uv names no index in it.
.PHONY: lock
lock: env ## write requirements-lock.txt anew: the newest releases, with hashes
	@$(RUN) pip install --quiet uv
	$(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command 'make lock' \
	  --output-file requirements-lock.txt requirements.txt requirements-dev.txt

# Never part of a test: what it measures depends on the machine.
.PHONY: bench
bench: env ## speed beside others; what moved by more than 10 % since it was stored
	$(SERIAL) "$(DETLEARN_ENV)/bin/python" benchmarks/side_by_side.py --against benchmarks/ratios.json

.PHONY: clean
clean: ## remove caches and what tests and builds left behind
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist
	find . -path ./.git -prune -o -path "./$(DETLEARN_ENV)" -prune -o \
	  '(' -name __pycache__ -o -name .ipynb_checkpoints ')' -type d -prune -exec rm -rf {} +

.PHONY: clean-env
clean-env: ## remove the environment, if make made it
	@if [ -f "$(DETLEARN_ENV)/detlearn-env" ]; then rm -rf "$(DETLEARN_ENV)"; \
	else echo "nothing to remove: $(DETLEARN_ENV) was not made by make"; fi
