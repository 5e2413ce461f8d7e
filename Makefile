# Every target sets up what it needs; all state is in .stack/.
PYTHON ?= python3
VENV_PYTHON := .stack/venv/bin/python

.PHONY: run stop status clean distclean test faults check lock setup
run: setup
	@$(VENV_PYTHON) -W ignore -m orchestration run
stop: setup
	@$(VENV_PYTHON) -W ignore -m orchestration stop
status: setup
	@$(VENV_PYTHON) -W ignore -m orchestration status
clean: setup
	@$(VENV_PYTHON) -W ignore -m orchestration clean

setup:
	@$(PYTHON) infra/bootstrap.py

check: setup
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

test: setup
	@$(VENV_PYTHON) -m pytest

# All faults, for hours; ONLY="broker postgres-pause": some; MINUTES=60 SEED=7: by chance, as the seed has it.
faults: setup
	@$(VENV_PYTHON) -W ignore -m tests.faults $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

# After a change of the dependencies or of a jar's version.
lock: setup
	@$(VENV_PYTHON) -m uv lock --quiet
	@$(VENV_PYTHON) -m uv export --quiet --frozen --all-extras --no-emit-project --no-annotate --no-header -o requirements.lock > /dev/null
	@rm uv.lock
	@$(VENV_PYTHON) -m infra.local.jars
