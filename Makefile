# Everything a newcomer needs: make demo, make test. The rest is for those who carry it on.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Processes that share the tests: 0 is one after the other.
JOBS ?= 5

.PHONY: help demo test check format bench nightly fuzz falsify mutation audit sbom lock clean

help:
	@echo 'make demo            the whole journey on this machine (ARGS="--lang en --keep DIR")'
	@echo 'make test            every test (ARGS="-k name" for some)'
	@echo 'make check           ruff, mypy --strict, import contracts'
	@echo 'make bench           speed, as ratios'
	@echo 'make nightly         long campaigns, make fuzz among them'
	@echo 'make fuzz            foreign bytes into every parser (ARGS="--only sync --runs 1000000")'
	@echo 'make falsify         put naive code back, change by change: the tests must notice (ARGS="--only stores")'
	@echo 'make mutation        are the tests worth anything (ARGS="--only domain/pin")'
	@echo 'make audit           is anything known against what the locks hold'
	@echo 'make sbom            the list of what Pli is made of: build/pli.cdx.json'
	@echo 'make lock            choose new versions of the dependencies'

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo 'On Debian: apt-get install python3-venv'; exit 1; }
	@touch $@

$(VENV)/run: $(VENV)/made requirements/run.lock pyproject.toml
	@echo 'installing what is needed to run (hashes are checked) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements/dev.lock
	@echo 'installing what is needed to test (hashes are checked) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/tools: $(VENV)/dev requirements/tools.lock
	@echo 'installing the tools of the long checks (hashes are checked) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.lock
	@touch $@

demo: $(VENV)/run
	@$(BIN)/python -m bot.demo $(ARGS)

# The tests start hundreds of processes: what one of them has compiled, the next one finds, whatever the shell says.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev
	$(BIN)/python -m pytest -m "not nightly" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev
	$(BIN)/python -m tests.bench $(ARGS)

nightly: $(VENV)/dev
	$(BIN)/python -m pytest --hypothesis-profile=nightly -m "nightly or hypothesis" $(ARGS)
	$(MAKE) fuzz ARGS=

fuzz: $(VENV)/tools
	$(BIN)/python -m tests.fuzz $(ARGS)

falsify: $(VENV)/dev
	$(BIN)/python -m tests.falsify $(ARGS)

mutation: $(VENV)/tools
	$(BIN)/python -m tests.mutation $(ARGS)

audit: $(VENV)/tools
	$(BIN)/python -m tests.supply.audit

sbom: $(VENV)/tools
	$(BIN)/python -m tests.supply.sbom build/pli.cdx.json

# uv writes the locks because it resolves for every Python and platform at once; nothing else needs it.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra homeserver --extra postgresql --group build pyproject.toml -o requirements/run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra homeserver --extra postgresql --group build --group test --group check \
	  -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --group tools -c requirements/dev.lock -o requirements/tools.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/js/node_modules
