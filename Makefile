# Each target sets up what it needs, and is quick when that is there already.
#
#   make serve   the service on http://127.0.0.1:8000 (PORT=9000 for another port)
#   make test    format check, lint, types and every test
#   make check   the same with the unit tests alone, in less than a minute: all tests but those of
#                workers, services, clusters, browsers, packages and measurements, which are
#                marked "integration"
#   make setup   what both begin with; afterwards .venv/bin/phiz is the command
#   make bench DATA=DIR   how fast it is beside others, what 8 bits save, and how much memory it
#                takes: all figures into docs/measured/speed.json, and what the documents show
#   make load    what it bears beside others, into docs/measured/load.json and load.svg (needs wrk)
#   make dist    wheel and sdist, into dist/
#   make sbom    what the service consists of, as CycloneDX, into build/

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The tests start Python hundreds of times, and much of their time is waiting.
unexport PYTHONDONTWRITEBYTECODE
PROCESSES := 2
PYTEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile

.PHONY: setup serve test check lint unit bench load models format lock wheels dist sbom

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
	$(BIN)/python -m benchmarks.speed --data $(or $(DATA),$(error name the pictures: make bench DATA=DIR)) \
		--json docs/measured/speed.json --picture docs/measured/speed.svg
	$(OURS) -m benchmarks.speed.int8 --data $(DATA) --json docs/measured/speed.json --table docs/measured/int8.md
	$(OURS) -m benchmarks.endurance.soak --json docs/measured/speed.json --table docs/runtimes.md

# Likewise; the one with torch is that of the other benchmark.
load: setup
	$(BIN)/python -m benchmarks.load --json docs/measured/load.json --picture docs/measured/load.svg

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The wheel is built from the sdist, which shows that nothing is missing there.
dist: .venv/dev
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python

# SERVED is a Python that has what serves and nothing else, unless there is one already.
SERVED ?= build/served/bin/python
SBOM ?= build/phiz.cdx.json

sbom: .venv/dev $(SERVED)
	@mkdir -p $(dir $(SBOM))
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file $(SBOM) $(SERVED)

build/served/bin/python: requirements/serve.txt dist
	$(PYTHON) -m venv --clear --without-pip build/served
	$(BIN)/python -m pip --python $@ install --quiet --require-hashes -r requirements/serve.txt
	$(BIN)/python -m pip --python $@ install --quiet --no-deps dist/*.whl

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
	$(LOCK) pyproject.toml --group dev --extra build --extra lab -o requirements/dev.txt
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
