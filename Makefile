PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench

demo: .venv/installed
	$(BIN)/charachbench experiment=demo

test: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/installed
	for script in $(filter-out benchmarks/__init__.py,$(wildcard benchmarks/*.py)); do \
		$(BIN)/python -m $$(echo $${script%.py} | tr / .) || exit 1; \
	done

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed: make PYTHON=python3.12 ...") if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode --editable '.[dev]'
	touch $@
