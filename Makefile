# Needs make, Python 3.11 or newer and a package index; everything else is put into .venv, .venv-uv, .nox and .demo here.

# Which Python to make .venv with (empty: the first suitable one), and the ports of `make demo` and `make ui`.
PYTHON ?=
EMULATOR_PORT ?= 8180
AIRFLOW_PORT ?= 8080
# How many processes share the test files.
JOBS ?= 2
# Handed to pytest, to the benchmark, and by test-matrix to nox: make test ARGS="tests/client -x"
ARGS ?=
# Percent of the package without the emulator that `make test` covers. Held where CI is set, in whole runs.
COVERAGE_FLOOR := 97

export PYTHON
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Where it is set, each process compiles all of Airflow again.
export PYTHONDONTWRITEBYTECODE :=

UV := .venv-uv/bin/uv
NOX := PATH="$(CURDIR)/.venv-uv/bin:$$PATH" .venv-uv/bin/nox
LOCKED := pyproject.toml constraints.txt
PYTEST := .venv/bin/python -m pytest -n $(JOBS) --no-loadscope-reorder
COVERAGE := --cov --cov-report=term:skip-covered $(if $(CI),$(if $(ARGS),,--cov-fail-under=$(COVERAGE_FLOOR)))

# An environment whose Python is gone is made anew.
$(foreach venv,.venv .venv-uv,$(shell test -e $(venv) && ! $(venv)/bin/python -c '' 2>/dev/null && rm -f $(venv)/.installed*))

.DEFAULT_GOAL := help
.PHONY: help demo ui test test-fast test-long check hooks test-matrix test-celery benchmark screenshots build lock clean

help:
	@echo "make demo         run the example Dag with project hours in Airflow against the emulator, and show what it did"
	@echo "make ui           Airflow's web UI with the example Dags, the connection and the emulator, until Ctrl-C"
	@echo "make test         the tests on the locked Airflow: 11 minutes (ARGS=... goes to pytest; JOBS=1: one process)"
	@echo "make test-fast    those of them that start no process: 2 minutes"
	@echo "make test-long    the long forms of tests, before a release: 30 minutes"
	@echo "make test-matrix  what depends on Airflow, on the lowest, an older and the next version: 9 minutes"
	@echo "make test-celery  one token under CeleryExecutor: 2 minutes; needs PostgreSQL and Redis on this machine"
	@echo "make check        ruff and mypy"
	@echo "make hooks        let git run make check before each commit"
	@echo "make benchmark    an extraction beside other ways to get the same rows, as a table; Linux only"
	@echo "make screenshots  take the pictures in docs/images again"
	@echo "make build        wheel and sdist, into dist"
	@echo "make lock         write constraints.txt anew from pyproject.toml"
	@echo "make clean        remove what the commands above made"
	@echo
	@echo "Options: PYTHON=/path/to/python3.12 (after make clean)  EMULATOR_PORT=$(EMULATOR_PORT)  AIRFLOW_PORT=$(AIRFLOW_PORT)"

.venv-uv/.installed: constraints.txt
	@echo "Installing uv, nox and pre-commit into .venv-uv"
	@python=$$(sh tools/find-python) && "$$python" -m venv --clear .venv-uv
	@.venv-uv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt uv
	@$(UV) pip install -q --python .venv-uv -c constraints.txt nox pre-commit
	@touch $@

.venv/.installed: $(LOCKED) .venv-uv/.installed
	@echo "Installing what constraints.txt locks into .venv"
	@python=$$(sh tools/find-python) && $(UV) venv -q --clear --no-project --python "$$python" .venv
	@$(UV) pip install -q --python .venv -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "Installing the tools of tests and checks into .venv"
	@$(UV) pip install -q --python .venv -c constraints.txt --group dev -e .
	@touch $@

demo: .venv/.installed
	@.venv/bin/python -m tools.demo demo --emulator-port="$(EMULATOR_PORT)"

ui: .venv/.installed
	@.venv/bin/python -m tools.demo ui --emulator-port="$(EMULATOR_PORT)" --airflow-port="$(AIRFLOW_PORT)"

test: .venv/.installed-dev
	@$(PYTEST) $(COVERAGE) $(ARGS)

test-fast: .venv/.installed-dev
	@$(PYTEST) -m "not system and not slow" $(ARGS)

test-long: .venv/.installed-dev
	@$(PYTEST) -m slow $(ARGS)

test-matrix: .venv-uv/.installed
	@$(NOX) $(ARGS)

test-celery: .venv-uv/.installed
	@$(NOX) -s celery -- $(ARGS)

benchmark: .venv-uv/.installed
	@$(NOX) -s benchmark -- $(ARGS)

check: .venv/.installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy airflow_provider_exact

# Not from .venv, which `make demo` may make anew without the tools of checks.
hooks: .venv-uv/.installed
	@.venv-uv/bin/pre-commit install

screenshots: .venv/.installed-dev
	@KEEP_SCREENSHOTS=1 .venv/bin/python -m pytest tests/system/test_connection_form.py tests/system/test_sign_in_page.py

build: .venv-uv/.installed
	@$(UV) build -q --out-dir dist
	@ls dist

lock: .venv-uv/.installed
	$(UV) pip compile -q --universal --python-version 3.11 --group dev --group celery --group benchmarks --group tools \
		--all-extras --upgrade --no-header --no-annotate -o constraints.txt pyproject.toml

clean:
	rm -rf .venv .venv-uv .nox .demo dist .coverage .pytest_cache .mypy_cache .ruff_cache test-results
