# make run    set up, build the index where it is missing or stale, open the app
# make test   set up, check the code, run the tests
#
# HOST, PORT    where the app listens (127.0.0.1, 7860)
# PYTHON        the interpreter for .venv (the first python3 that is 3.11 or newer)
# TORCH_INDEX   on Linux, https://download.pytorch.org/whl/cpu avoids gigabytes of CUDA

HOST ?= 127.0.0.1
PORT ?= 7860
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(RECENT)' 2>/dev/null && echo $$p && break; done)
REPORT := evals/reports/article
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test test-all check install install-dev lock bench screenshot clean

run: install
	@$(BIN)/qa-bot index || [ $$? -eq 3 ]
	@$(BIN)/qa-bot serve --host $(HOST) --port $(PORT) \
	    $(if $(filter 127.0.0.1,$(HOST)),--allow-uploads) $(if $(wildcard $(REPORT)),--eval-report $(REPORT))

install: .venv/installed

install-dev: .venv/installed-dev

check: install-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: check
	$(BIN)/pytest -m "not slow"

test-all: check
	$(BIN)/pytest

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "qa-bot needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c '$(RECENT)' || { echo "qa-bot needs Python 3.11 or newer, but $(PYTHON) is" `$(PYTHON) -V 2>&1`; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv; the first time takes some minutes ..."
	$(if $(TORCH_INDEX),$(PIP) install --quiet `grep '^torch==' constraints.txt` --index-url $(TORCH_INDEX))
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Renews every pin but torch's, which is chosen by hand: edit TORCH here.
TORCH := 2.13.0
lock: .venv/bin/python
	$(PIP) install --quiet uv
	echo torch==$(TORCH) | $(BIN)/uv pip compile pyproject.toml --extra dev --universal --upgrade \
	    --python-version 3.11 --constraint - --no-annotate --quiet \
	    --custom-compile-command "make lock" --output-file constraints.txt

# All of benchmarks/; DATA names the folder of the question sets (benchmarks/README.md).
DATA ?= $(QA_BOT_DATA)
SQUAD := $(DATA)/squad2_dev_half.json.xz
bench: install-dev
	$(BIN)/python benchmarks/fusion.py $(DATA)
	$(BIN)/python benchmarks/reading.py $(DATA)
	$(BIN)/python benchmarks/grounding.py $(DATA)
	$(BIN)/python benchmarks/rebuild.py $(DATA)
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/encoding.py $(SQUAD)
	$(BIN)/python benchmarks/speed.py $(SQUAD)
	$(BIN)/python benchmarks/scale.py $(DATA)

# A picture of the app for the README.
screenshot: install-dev
	$(BIN)/qa-bot index
	$(BIN)/python docs/screenshot.py

clean:
	rm -rf .venv index .mypy_cache .pytest_cache .ruff_cache .hypothesis
