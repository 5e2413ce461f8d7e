# Every target sets up what it needs; all state is in .stack/.
PYTHON ?= python3
VENV_PYTHON := .stack/venv/bin/python

.PHONY: run stop status clean distclean preflight test faults bench check lock setup
run: setup
	@$(VENV_PYTHON) -W ignore -m orchestration run
stop: setup
	@$(VENV_PYTHON) -W ignore -m orchestration stop
status: setup
	@$(VENV_PYTHON) -W ignore -m orchestration status
clean: setup
	@$(VENV_PYTHON) -W ignore -m orchestration clean

# Whether the clusters that the settings name are as the pipeline needs them; launches nothing that stays.
preflight: setup
	@$(VENV_PYTHON) -W ignore -m orchestration.pi3 preflight

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

# This pipeline beside its rivals, for hours; ONLY="throughput ours debezium": some; FLAGS="--runs 5 --events 1000000".
bench: setup
	@$(VENV_PYTHON) -m uv pip install --quiet --no-deps --require-hashes --python $(VENV_PYTHON) -r bench/requirements.lock
	@$(VENV_PYTHON) -W ignore -m bench $(if $(ONLY),--only $(ONLY)) $(FLAGS)

# After a change of the dependencies or of a jar's version.
lock: setup
	@$(VENV_PYTHON) -m uv lock --quiet
	@$(VENV_PYTHON) -m uv export --quiet --frozen --all-extras --no-emit-project --no-annotate --no-header -o requirements.lock > /dev/null
	@$(VENV_PYTHON) -m uv export --quiet --frozen --only-group bench --no-emit-project --no-annotate --no-header -o bench/requirements.lock > /dev/null
	@$(VENV_PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header bench/requirements-quix.in -o bench/requirements-quix.lock > /dev/null
	@rm uv.lock
	@$(VENV_PYTHON) -m infra.local.jars
	@$(VENV_PYTHON) -m bench.jars
