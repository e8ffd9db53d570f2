# `make run` starts the app, `make test` checks everything, `make bench` measures it.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run test lint bench screenshots clean

run: .venv/app.done
	$(BIN)/python app.py

test: .venv/dev.done chromium lint
	$(BIN)/python -m pytest

lint: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/bench.done chromium
	$(BIN)/python -m benchmarks

screenshots: .venv/dev.done chromium
	$(BIN)/python -m tests.browser.screenshots

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/app.done: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

.venv/dev.done: requirements.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@ .venv/app.done

.venv/bench.done: requirements-bench.txt .venv/dev.done
	$(BIN)/pip install --quiet -r requirements-bench.txt
	touch $@

# The browser that the tests drive: the system's, or Debian's through apt.
.PHONY: chromium
chromium:
	@$(BIN)/python -m tests.browser.chromium

clean:
	rm -rf .venv
