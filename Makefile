# Everything runs in .venv, made on first use from any Python 3.11 or later; `make PYTHON=...` chooses one.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTHON ?=

.PHONY: demo test lint docs capabilities bench bench-micro format lock clean

demo: $(INSTALLED)
	$(BIN)/crossdock demo

# More for pytest: make test PYTEST='-k parquet'; in one process, with a debugger: PYTEST='-n 0 --pdb'
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 3 --dist worksteal $(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	PYTHONPATH=.ci $(BIN)/lint-imports

# The site, into build/site; what is written in it is generated (python docs/generate.py), and a test says when it lags.
docs: $(INSTALLED)
	$(BIN)/zensical build --strict
	rm -f build/site/*.py build/site/*.toml

# The page of what connectors are tested for, from the results of those tests.
capabilities: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 3 tests/contract --junitxml=build/contract.xml
	$(BIN)/python docs/capabilities.py build/contract.xml

# Against the peers, side by side: ten minutes, kept in perf/results; make bench SCENARIOS="csv_to_parquet bytes"
bench: $(VENV)/.bench
	$(BIN)/python -m perf $(SCENARIOS)

bench-micro: $(VENV)/.bench
	$(BIN)/python -m perf.micro $(MICRO)

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Pins, with hashes, what .venv holds, for every Python and platform that we support.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock'

lock: $(INSTALLED)
	$(BIN)/python -m pip install --quiet 'uv>=0.5'
	$(COMPILE) --output-file constraints-build.txt --group build
	$(COMPILE) --output-file constraints.txt --constraint constraints-build.txt \
		--extra all --extra demo --group test --group lint --group docs pyproject.toml

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# pip checks the hash of everything that it downloads. First what builds, for one dependency and then
# ourselves: in an isolated build pip would fetch it anew, unpinned.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(INSTALLED): pyproject.toml constraints-build.txt constraints.txt .ci/find-python
	@python=$$(sh .ci/find-python $(PYTHON)) || exit 1; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
		echo "Making $(VENV) with $$python"; \
		rm -rf $(VENV); \
		"$$python" -m venv $(VENV); \
	fi
	$(PIP_INSTALL) --require-hashes -r constraints-build.txt
	$(PIP_INSTALL) --require-hashes --no-build-isolation --use-pep517 -r constraints.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

# The peers are heavy and nobody else needs them; their versions are pinned in pyproject.toml.
$(VENV)/.bench: $(INSTALLED)
	$(PIP_INSTALL) 'pip>=25.1'
	$(PIP_INSTALL) --group perf
	@touch $@
