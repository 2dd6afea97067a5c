# Every target builds its own .venv first. Needed on the machine: Python 3.11 or later with its venv
# module, git and make; no root. PYTHON=/path/to/python names the interpreter to build it from.

VENV := .venv
RUN := $(VENV)/.ready-run
WEB := $(VENV)/.ready-web
NOTEBOOK := $(VENV)/.ready-notebook
DEV := $(VENV)/.ready-dev
BIN := $(VENV)/bin
PINS := constraints.txt

# Relative, because pip splits these at blanks. The second one is for pip 25.3 and later, where the
# first no longer reaches the environment that builds the package.
PIP := PIP_CONSTRAINT=$(PINS) PIP_BUILD_CONSTRAINT=$(PINS) PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m pip

# A stamp counts only for the place it was made in, and while the interpreter behind it answers.
$(shell test "$$(cat $(RUN) 2>/dev/null)" = "$(CURDIR)" && $(BIN)/python -c '' 2>/dev/null \
	|| rm -f $(RUN) $(WEB) $(NOTEBOOK) $(DEV))

.DELETE_ON_ERROR:
.PHONY: help demo page api test test-deep lint types docs bench messages stubs notebook lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; \
	do printf '%-18s %s\n' "$$name" "$$text"; done

demo: $(RUN) ## one account, one SQLite file: top up, subscribe, rate, upgrade, dunning, revival
	$(BIN)/python examples/demo

page: $(WEB) ## serve the Billing page of examples/billing_page; DATABASE=url names another database
	$(BIN)/python -m examples.billing_page $(if $(DATABASE),--database '$(DATABASE)')

api: $(WEB) ## serve the JSON API of examples/api; DATABASE=url names another database
	$(if $(DATABASE),BILLING_API_URL='$(DATABASE)') $(BIN)/python -m examples.api

test: $(DEV) ## every check that a change has to pass, with branch coverage
	@$(MAKE) --no-print-directory lint types
	@echo '--- tests, documentation and docstring examples'
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

test-deep: $(DEV) ## the same laws with many more examples, and the long runs
	TMPDIR=$${TMPDIR:-/tmp} $(BIN)/python -m pytest -n 2 -m 'deep or not deep' --hypothesis-profile=deep

lint: $(DEV) ## formatting, lint rules, floors
	@echo '--- formatting'
	$(BIN)/ruff format --check
	@echo '--- lint rules'
	$(BIN)/ruff check
	@echo '--- floors'
	$(BIN)/lint-imports --no-logo

types: $(DEV) ## mypy --strict over all code, and pyright: every public name has a type
	@echo '--- types'
	$(BIN)/mypy
	$(BIN)/python tools/public_types.py

docs: $(DEV) ## build the documentation into docs/_build/html; a warning or a dead link fails
	@echo '--- documentation'
	@$(BIN)/python -m sphinx -q -W --keep-going -j 2 -b html docs docs/_build/html
	@$(BIN)/python tools/links.py docs/_build/html
	@echo 'open docs/_build/html/index.html'

bench: $(DEV) ## print the benchmark tables
	@set -e; for script in benchmarks/*.py; do \
	echo "--- $$script"; $(BIN)/python "$$script"; done

notebook: $(NOTEBOOK) ## run the notebooks of docs/notebooks; the results are in build/notebooks
	@mkdir -p build/notebooks
	@set -e; for name in choose-a-plan plan-a-price-change; do \
	$(BIN)/jupyter-execute --output=$(CURDIR)/build/notebooks/$$name docs/notebooks/$$name.ipynb; done

messages: $(DEV) ## collect the sentences for translation and compile the catalogs
	@$(BIN)/python tools/messages.py

stubs: $(DEV) ## write what type checkers read of the verbs that tasks await
	@$(BIN)/python tools/stubs.py

lock: ## resolve every dependency anew and write constraints.txt
	@sh tools/lock.sh

clean: ## remove everything that these targets made
	@if [ -e $(VENV) ] || [ -L $(VENV) ]; then mv $(VENV) $(VENV).gone; fi
	rm -rf docs/_build docs/reference/drawn $(VENV).gone .coverage .coverage.* .hypothesis .import_linter_cache \
	.mypy_cache .pytest_cache .ruff_cache build dist demo.db demo.db-journal demo.db-shm demo.db-wal \
	demo-webhooks.jsonl demo-webhooks.jsonl.part billing-page.db billing-page.db-shm billing-page.db-wal \
	api.db api.db-shm api.db-wal

$(RUN): pyproject.toml $(PINS)
	@sh tools/venv.sh $(VENV)
	@echo 'installing the library with its SQL adapter into $(VENV)'
	@$(PIP) install -qq -e '.[sql]'
	@printf '%s\n' '$(CURDIR)' > $@

$(WEB): pyproject.toml $(PINS)
	@sh tools/venv.sh $(VENV)
	@echo 'installing the library, its SQL adapters and what a page needs into $(VENV)'
	@$(PIP) install -qq -e '.[postgres,web]'
	@printf '%s\n' '$(CURDIR)' | tee $(RUN) > $@

# Nothing but what a notebook needs: who wants an answer does not wait for the development tools.
$(NOTEBOOK): pyproject.toml $(PINS)
	@sh tools/venv.sh $(VENV)
	@echo 'installing the library, its SQL adapter and what notebooks need into $(VENV)'
	@$(PIP) install -qq --no-compile -e '.[sql,notebook]'
	@printf '%s\n' '$(CURDIR)' | tee $(RUN) > $@

$(DEV): pyproject.toml $(PINS)
	@sh tools/venv.sh $(VENV)
	@echo 'installing the library and the development tools into $(VENV)'
	@$(PIP) install -qq -e '.[dev]'
	@printf '%s\n' '$(CURDIR)' | tee $(RUN) $(WEB) $(NOTEBOOK) > $@
