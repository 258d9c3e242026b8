# What a checkout can do with Python 3.11 and pip alone: `make demo`, `make test`, `make lit`, `make bench`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
JOBS ?= 2
PYTEST_ARGS ?=

.PHONY: demo test test-models lint lit bench clean
.DEFAULT_GOAL := test

# Stamps: an install is repeated only when the packaging changed.
$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.run: pyproject.toml $(VENV)/.created
	$(PIP) -e .
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.created
	$(PIP) -e '.[test]'
	touch $@ $(VENV)/.run

# Compile the bundled model, run it and compare it with the reference.
demo: $(VENV)/.run
	$(BIN)/vcc demo

# Style, types, then every test; reasons of skipped tests are printed at the end.
test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q -rs $(PYTEST_ARGS)

# Every model that must run, large ones too; exported transformers where tests/models/README.md was followed.
test-models: $(VENV)/.test
	VCC_ALL_MODELS=1 $(BIN)/python -m pytest -q -rs tests/models $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# The FileCheck tests as lit runs them, one process per command; `make test` runs the same files in-process.
lit: $(VENV)/.test
	$(BIN)/lit -v -j $(JOBS) tests/filecheck

# The benchmarks of docs/benchmarks.md, as Markdown; their values as JSON in $(BENCH_OUTPUT). Wants an idle machine.
BENCH_OUTPUT ?= bench-output
bench: $(VENV)/.test
	mkdir -p $(BENCH_OUTPUT)
	$(BIN)/python tests/bench/bench_native_models.py --memory --json $(BENCH_OUTPUT)/models.json
	$(BIN)/python tests/bench/bench_native_kernels.py --json $(BENCH_OUTPUT)/kernels.json
	$(BIN)/python tests/bench/bench_native_proof.py
	$(BIN)/python tests/bench/bench_models.py --json $(BENCH_OUTPUT)/compile.json

clean:
	rm -rf $(VENV) dist lit-output .pytest_cache .ruff_cache .hypothesis docs/_build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
