# Needs make, Python 3.11 or newer and a package index; everything else is put into .venv, .demo and .matrix here.

# Which Python to make .venv with (empty: the first suitable one), and the ports of `make demo` and `make ui`.
PYTHON ?=
EMULATOR_PORT ?= 8180
AIRFLOW_PORT ?= 8080
# How many processes share the test files.
JOBS ?= 2
# Handed to pytest by `make test` and `make test-matrix`, and to the benchmark: make test ARGS="tests/client -x"
ARGS ?=

export PYTHON

INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
INSTALLED_CELERY := .matrix/celery/.installed
INSTALLED_BENCHMARKS := .matrix/benchmarks/.installed
LOCKED := pyproject.toml constraints.txt tools/bootstrap.py

IN_PROCESSES := -n $(JOBS) --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo ui test check test-matrix test-celery benchmark screenshots lock clean

help:
	@echo "make demo         run the example Dag with project hours in Airflow against the emulator, and show what it did"
	@echo "make ui           Airflow's web UI with the example Dags, the connection and the emulator, until Ctrl-C"
	@echo "make test         the whole test suite (ARGS=... goes to pytest; JOBS=1: in one process instead of two)"
	@echo "make check        ruff and mypy"
	@echo "make test-matrix  the whole test suite on the other supported Airflow versions"
	@echo "make test-celery  one token under CeleryExecutor; needs PostgreSQL and Redis on this machine"
	@echo "make benchmark    an extraction beside other ways to get the same rows, as a table; Linux only"
	@echo "make screenshots  take the pictures in docs/images again"
	@echo "make lock         write constraints.txt anew from pyproject.toml"
	@echo "make clean        remove what the commands above made"
	@echo
	@echo "Options: PYTHON=/path/to/python3.12  EMULATOR_PORT=$(EMULATOR_PORT)  AIRFLOW_PORT=$(AIRFLOW_PORT)"

$(INSTALLED): $(LOCKED)
	@python=$$(sh tools/find-python) && "$$python" tools/bootstrap.py
	@touch $@

$(INSTALLED_DEV): $(LOCKED)
	@python=$$(sh tools/find-python) && "$$python" tools/bootstrap.py --dev
	@touch $(INSTALLED) $@

$(INSTALLED_CELERY): $(LOCKED)
	@python=$$(sh tools/find-python) && "$$python" tools/bootstrap.py --celery
	@touch $@

$(INSTALLED_BENCHMARKS): $(LOCKED)
	@python=$$(sh tools/find-python) && "$$python" tools/bootstrap.py --benchmarks
	@touch $@

demo: $(INSTALLED)
	@.venv/bin/python -m tools.demo demo --emulator-port $(EMULATOR_PORT)

ui: $(INSTALLED)
	@.venv/bin/python -m tools.demo ui --emulator-port $(EMULATOR_PORT) --airflow-port $(AIRFLOW_PORT)

test: $(INSTALLED_DEV)
	@.venv/bin/python -m pytest $(IN_PROCESSES) $(ARGS)

check: $(INSTALLED_DEV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy airflow_provider_exact

test-matrix: $(INSTALLED_DEV)
	@.venv/bin/python tools/matrix.py -- $(IN_PROCESSES) $(ARGS)

test-celery: $(INSTALLED_CELERY)
	@.matrix/celery/bin/python -m pytest -p no:cacheprovider tests/system/test_tokens_under_celery.py $(ARGS)

benchmark: $(INSTALLED_BENCHMARKS)
	@.matrix/benchmarks/bin/python -m benchmarks.extraction $(ARGS)

screenshots: $(INSTALLED_DEV)
	@KEEP_SCREENSHOTS=1 .venv/bin/python -m pytest tests/system/test_connection_form.py tests/system/test_sign_in_page.py

lock: $(INSTALLED_DEV)
	UV_PYTHON_DOWNLOADS=never .venv-uv/bin/uv pip compile -q --universal --python-version 3.11 --group dev --group celery \
		--group benchmarks --all-extras --upgrade --no-header --no-annotate -o constraints.txt pyproject.toml

clean:
	rm -rf .venv .venv-uv .demo .matrix .pytest_cache .mypy_cache .ruff_cache test-results
