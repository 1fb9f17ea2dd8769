# Each target sets up what it needs, and is quick when that is there already.
#
#   make serve   the service on http://127.0.0.1:8000 (PORT=9000 for another port)
#   make test    format check, lint, types and every test
#   make check   the same with the unit tests alone, in less than a minute: all but those that are
#                marked "integration", which start a service, a cluster or a browser, or measure
#   make setup   what both begin with; afterwards .venv/bin/phiz is the command
#   make bench DATA=DIR   how fast it is beside others, what 8 bits save, and how much memory it
#                takes: all figures into docs/speed.json, and what the documents show of them
#   make load    what it bears beside others, into docs/load.json and docs/load.svg (needs wrk)

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The tests start Python hundreds of times, and much of their time is waiting.
unexport PYTHONDONTWRITEBYTECODE
PROCESSES := 2
PYTEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile

.PHONY: setup serve test check lint unit bench load models format lock wheels

setup: .venv/run models

serve: setup
	@exec $(BIN)/phiz serve --host $(HOST) --port $(PORT)

test: lint models
	$(PYTEST)

check: lint unit

unit: .venv/dev models
	$(PYTEST) -m "not integration"

lint: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin service/phiz

# The first time, the others are installed into benchmarks/.peers: about 6 GB. One of them is
# phiz with every runtime, which the other two then use.
OURS := benchmarks/.peers/ours/bin/python

bench: setup
	@$(BIN)/phiz models build --variants int8
	$(BIN)/python benchmarks/speed.py --data $(or $(DATA),$(error name the pictures: make bench DATA=DIR)) \
		--json docs/speed.json --picture docs/speed.svg
	$(OURS) benchmarks/int8.py --data $(DATA) --json docs/speed.json --table docs/int8.md
	$(OURS) benchmarks/soak.py --json docs/speed.json --table docs/runtimes.md

# Likewise; the one with torch is that of the other benchmark.
load: setup
	PYTHONPATH=benchmarks $(BIN)/python -m load --json docs/load.json --picture docs/load.svg

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

models: .venv/run
	@$(BIN)/phiz models build

# The stamps are written last, so that an interrupted installation is taken up again.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phiz needs Python 3.11 or later; this is %s. Name another with: make PYTHON=python3.12" % sys.version.split()[0])'
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run: requirements/build.txt pyproject.toml | .venv/made
	@echo "installing what phiz needs to run into .venv"
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/run | .venv/made
	@echo "installing what the tests need into .venv"
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# Pins every package for every platform, with hashes and without addresses.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
PEERS := benchmarks/peers

lock: .venv/dev
	$(LOCK) pyproject.toml --group dev --extra build -o requirements/dev.txt
	$(LOCK) pyproject.toml --group install --extra build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/serve.txt
	$(LOCK) pyproject.toml --extra otel -c requirements/dev.txt -o requirements/otel.txt
	$(LOCK) pyproject.toml $(PEERS)/ours.in --group install --extra build -c requirements/dev.txt -o $(PEERS)/ours.txt
	$(LOCK) $(PEERS)/litert.in -c requirements/dev.txt -o $(PEERS)/litert.txt
	$(LOCK) $(PEERS)/facenet.in -o $(PEERS)/facenet.txt
	$(LOCK) $(PEERS)/mediapipe.in -o $(PEERS)/mediapipe.txt
	$(LOCK) $(PEERS)/mosec.in --group pyproject.toml:install -o $(PEERS)/mosec.txt
	$(LOCK) $(PEERS)/litserve.in --group pyproject.toml:install -o $(PEERS)/litserve.txt
	$(LOCK) $(PEERS)/bentoml.in --group pyproject.toml:install -o $(PEERS)/bentoml.txt
	$(MAKE) wheels

# Whether all that the image is made of is there for arm64 too, as a wheel that Debian 12 can use.
wheels: .venv/made
	@folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && \
	for packages in serve otel; do \
		$(BIN)/python -m pip download --quiet --disable-pip-version-check --python-version 3.11 \
			$(foreach glibc,17 24 26 27 28 31 34,--platform manylinux_2_$(glibc)_aarch64) \
			--platform manylinux2014_aarch64 --only-binary :all: --require-hashes --no-deps \
			--dest "$$folder" --requirement requirements/$$packages.txt || exit; \
	done; \
	echo "all $$(ls "$$folder" | wc -l) packages have a wheel for arm64"
