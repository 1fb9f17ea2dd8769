# Each target does its own set-up, and is quick if the set-up is done.
#
#   make serve   the service on http://127.0.0.1:8000 (PORT=9000 for another port)
#   make test    format check, lint, types and every test (TESTS=tests/boxes for some)
#   make check   the same with the unit tests only, in less than a minute: it skips tests marked
#                "integration", which start a service, a cluster or a browser, or measure
#   make setup   the set-up of serve and test; afterwards .venv/bin/phiz is the command
#   make bench DATA=DIR   speed beside other libraries, and the gain of 8 bits: all figures into
#                docs/measured/speed.json, and the tables and charts of docs/. Like "make load", it
#                fails if a goal is missed by processor time
#   make load    load beside other servers, into load.json, load.md and load.svg of docs/measured
#   make bench-quick   processor time of this checkout to that of the commit at which its branch has
#                left main, in three minutes (BEFORE=DIR or BEFORE=COMMIT for another)
#   make fuzz    an hour of invented inputs for every reader, and of requests for the service
#                (SECONDS=60 for another time)
#   make docs    the documentation as a site, into build/docs/
#   make dist    wheel and sdist, into dist/
#   make sbom    the packages and models of the service, as CycloneDX, into build/
#   make audit   known vulnerabilities of the locked packages

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The tests start Python hundreds of times, and much of their time is waiting: three processes keep
# two cores busy. Files keep the order of tests/conftest.py.
unexport PYTHONDONTWRITEBYTECODE
PROCESSES := 3
PYTEST := $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: setup serve test check lint unit bench bench-quick load docs models format lock wheels dist sbom audit fuzz

setup: .venv/run models

serve: setup
	@exec $(BIN)/phiz serve --host $(HOST) --port $(PORT)

test: lint models
	$(PYTEST) $(TESTS)

check: lint unit

unit: .venv/dev models
	$(PYTEST) -m "not integration"

lint: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin service/phiz

# The first run installs the other libraries into benchmarks/.peers: about 6 GB. One environment
# there is phiz with every runtime, which the other benchmark uses.
OURS := benchmarks/.peers/ours/bin/python

bench: setup
	@$(BIN)/phiz models build --variants int8
	$(BIN)/python -m benchmarks.speed --data $(or $(DATA),$(error name the folder of images: make bench DATA=DIR)) \
		--json docs/measured/speed.json --picture docs/measured/speed.svg; missed=$$?; \
	$(OURS) -m benchmarks.speed.int8 --data $(DATA) --json docs/measured/speed.json --table docs/measured/int8.md \
		&& exit $$missed

bench-quick: setup
	@$(BIN)/python -m benchmarks.quick $(BEFORE)

# The first run installs the other servers likewise. It shares the one with torch with "make bench".
load: setup
	$(BIN)/python -m benchmarks.load --json docs/measured/load.json --table docs/measured/load.md \
		--picture docs/measured/load.svg

# A target that fails leaves its input in build/fuzzing, and the next run starts from all inputs
# that the last one kept.
SECONDS ?= 3600
EXAMPLES ?= 1500

fuzz: setup .venv/dev
	$(BIN)/python -m fuzzing readers --seconds $(SECONDS)
	$(BIN)/python -m fuzzing http --examples $(EXAMPLES)

# A warning is an error, and so is a link that leads nowhere.
docs: .venv/docs
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html docs build/docs
	@echo "open build/docs/index.html"

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The wheel is built from the sdist, which proves that the sdist is complete.
dist: .venv/dev
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python

# SERVED is a Python with only the packages of the service; set it to use an existing one.
SERVED ?= build/served/bin/python
SBOM ?= build/phiz.cdx.json

sbom: .venv/dev $(SERVED)
	@mkdir -p $(dir $(SBOM))
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file $(SBOM) $(SERVED)
	$(BIN)/python deploy/model_components.py $(SBOM)

# AUDIT=--strict fails where the index does not answer, AUDIT=--offline does not ask it.
audit: .venv/dev
	@$(BIN)/python deploy/audit.py $(AUDIT) $(foreach packages,serve heif openvino otel build,requirements/$(packages).txt)

build/served/bin/python: requirements/serve.txt dist
	$(PYTHON) -m venv --clear --without-pip build/served
	$(BIN)/python -m pip --python $@ install --quiet --require-hashes -r requirements/serve.txt
	$(BIN)/python -m pip --python $@ install --quiet --no-deps dist/*.whl

models: .venv/run
	@$(BIN)/phiz models build

# The stamps are written last, so that an interrupted installation runs again.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phiz needs Python 3.11 or later; this is %s. Name another with: make PYTHON=python3.12" % sys.version.split()[0])'
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run: requirements/build.txt pyproject.toml | .venv/made
	@echo "installing the packages of phiz into .venv"
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/run | .venv/made
	@echo "installing the packages of the tests into .venv"
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/docs: requirements/docs.txt | .venv/made
	@echo "installing what the documentation is built with into .venv"
	$(INSTALL) --require-hashes -r requirements/docs.txt
	@touch $@

# Pins every package for every platform, with hashes and without addresses.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
PEERS := benchmarks/peers
# The file of an extra names only the packages that serve.txt has not, and refers to it for the rest.
ALREADY_SERVED = $$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/serve.txt)

lock: .venv/dev
	$(LOCK) pyproject.toml --group dev --extra build --extra client --extra lab -o requirements/dev.txt
	$(LOCK) pyproject.toml --group install --extra build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/serve.txt
	for extra in heif openvino otel; do \
		$(LOCK) pyproject.toml --extra $$extra -c requirements/dev.txt $(ALREADY_SERVED) -o requirements/$$extra.txt && \
		echo "-r serve.txt" >>requirements/$$extra.txt || exit; \
	done
	$(LOCK) pyproject.toml $(PEERS)/ours.in --group install --extra build -c requirements/dev.txt -o $(PEERS)/ours.txt
	$(LOCK) --group pyproject.toml:clients -o requirements/clients.txt
	$(LOCK) --group pyproject.toml:triton -o requirements/triton.txt
	$(LOCK) --group pyproject.toml:docs -c requirements/dev.txt -o requirements/docs.txt
	$(LOCK) $(PEERS)/litert.in -c requirements/dev.txt -o $(PEERS)/litert.txt
	$(LOCK) $(PEERS)/facenet.in -o $(PEERS)/facenet.txt
	$(LOCK) $(PEERS)/mediapipe.in -o $(PEERS)/mediapipe.txt
	$(LOCK) $(PEERS)/opencv.in -o $(PEERS)/opencv.txt
	$(LOCK) $(PEERS)/mosec.in --group pyproject.toml:install -o $(PEERS)/mosec.txt
	$(LOCK) $(PEERS)/litserve.in --group pyproject.toml:install -o $(PEERS)/litserve.txt
	$(LOCK) $(PEERS)/bentoml.in --group pyproject.toml:install -o $(PEERS)/bentoml.txt
	$(MAKE) wheels

# Checks that every package of the image has a wheel for arm64 that works on Debian 12.
wheels: .venv/made
	@folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && \
	for packages in serve heif openvino otel; do \
		$(BIN)/python -m pip download --quiet --disable-pip-version-check --python-version 3.11 \
			$(foreach glibc,17 24 26 27 28 31 34,--platform manylinux_2_$(glibc)_aarch64) \
			--platform manylinux2014_aarch64 --only-binary :all: --require-hashes --no-deps \
			--dest "$$folder" --requirement requirements/$$packages.txt || exit; \
	done; \
	echo "all $$(ls "$$folder" | wc -l) packages have a wheel for arm64"
