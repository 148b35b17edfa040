# lr_widget: `make` alone lists what can be made.
#
# PYTHON=python3.12 make demo    chooses the interpreter of a new .venv
# make demo LAB_FLAGS=--port=9   hands more flags to JupyterLab
# CHROMIUM=/path make test       chooses the browser of the tests

PYTHON ?= python3
LAB_FLAGS ?=
BIN := .venv/bin
# npm's scripts call jupyter-builder, which lives in the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)

EXTENSION := lr_widget/labextension/package.json
LINK := .venv/share/jupyter/labextensions/lr-widget
MODULES := js/node_modules/.package-lock.json
SOURCES := $(shell find js/src js/style -type f) js/package.json js/tsconfig.build.json
# An unpacked sdist has a PKG-INFO, and the extension in it is built.
FRONTEND := $(if $(wildcard PKG-INFO),,$(EXTENSION)) $(LINK)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint test-js test-python test-browser build watch clean
.PHONY: picture chromium python node soak benchmarks suggestions

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

demo: $(if $(wildcard PKG-INFO),,node) .venv/demo $(FRONTEND) ## the quickstart, in JupyterLab
	@set --; \
	[ "$$(id -u)" != 0 ] || set -- "$$@" --allow-root; \
	[ "$$(uname)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || \
	  set -- "$$@" --no-browser; \
	exec $(BIN)/jupyter lab "$$@" $(LAB_FLAGS) \
	  --LabApp.default_url=/lab/tree/notebooks/quickstart.ipynb

# The browser waits a lot: the other tests run beside it, and are shown after it.
test: node .venv/dev $(FRONTEND) lint test-js chromium ## every check and every test
	@mkdir -p .test; \
	$(BIN)/python -m pytest -m 'not browser' >.test/python.log 2>&1 & rest=$$!; \
	trap 'kill $$rest' INT TERM; \
	$(BIN)/python -m pytest -m browser; browser=$$?; \
	wait $$rest; rest=$$?; cat .test/python.log; \
	[ $$browser = 0 ] && [ $$rest = 0 ]

lint: node .venv/dev $(MODULES) ## style and types, Python and TypeScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm --prefix js run lint
	npm --prefix js run typecheck

test-js: node $(MODULES) ## the TypeScript unit tests
	npm --prefix js test

test-python: node .venv/dev $(FRONTEND) ## the Python tests without browser and install
	$(BIN)/python -m pytest -m 'not browser and not install'

soak: node .venv/dev $(FRONTEND) ## long use: leaks, random moments, deep searches
	SOAK=1 HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -o timeout=1800 \
	  tests/test_soak.py tests/test_finder_machine.py

benchmarks: node .venv/dev .venv/benchmarks $(FRONTEND) chromium ## ours beside the rivals: half an hour
	@mkdir -p .test
	$(BIN)/python -m tests.benchmarks --json .test/benchmarks.json \
	  --markdown tests/benchmarks/results.md

suggestions: node .venv/dev .venv/benchmarks $(FRONTEND) ## which rule to trust: half an hour, then cached
	$(BIN)/python -m tests.benchmarks.suggestion \
	  --markdown tests/benchmarks/suggestion.md

test-browser: node .venv/dev $(FRONTEND) chromium ## the tests in Chromium
	$(BIN)/python -m pytest -m browser

build: node .venv/dev ## wheel and sdist, into dist/
	$(BIN)/python -m build

watch: node .venv/dev $(FRONTEND) ## rebuild the front end at each change
	npm --prefix js run watch

picture: node .venv/dev $(FRONTEND) chromium ## take the README's still and film anew
	$(BIN)/python -m tests.browser.film notebooks

clean: ## remove everything that make made
	rm -rf .venv .test dist js/node_modules js/lib js/*.tsbuildinfo
	rm -rf lr_widget/labextension .*_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# -- what the targets above stand on ------------------------------------------------

python:
	@[ -f .venv/pyvenv.cfg ] || $(PYTHON) -c \
	  'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	  { echo 'lr_widget needs Python 3.10 or newer with venv and pip, which' \
	    '"$(PYTHON)" is not: install it (Debian: apt install python3-venv) or name' \
	    'another, as in PYTHON=python3.12 make demo.' >&2; exit 1; }

node: python
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && \
	  command -v npm >/dev/null || \
	  { echo 'lr_widget needs Node.js 20 or newer with npm to build its browser half:' \
	    'install it from https://nodejs.org or with your package manager.' >&2; exit 1; }

.venv/pyvenv.cfg: | python
	$(PYTHON) -m venv .venv

# Make builds the front end below, only when it changed; pip need not.
.venv/demo .venv/dev: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python -m pip install -e '.[$(@F)]' -c constraints.txt
	@touch $@

# fastai asks for torchvision and spacy, of which nothing is used here.
.venv/benchmarks: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	SKIP_JUPYTER_BUILDER=1 $(BIN)/python -m pip install -e '.[benchmarks]' -c constraints.txt
	$(BIN)/python -m pip install --no-deps fastai -c constraints.txt
	@touch $@

$(MODULES): js/package.json js/package-lock.json | node
	npm --prefix js ci --no-audit --no-fund
	@touch $@

$(EXTENSION): $(SOURCES) $(MODULES)
	npm --prefix js run build
	@touch $@

$(LINK):
	$(BIN)/jupyter-builder develop . --overwrite

# A Chromium that is here, else the system's, else Playwright's: never a skipped test.
chromium: .venv/dev
	@find="$(BIN)/python -m tests.browser.chromium"; \
	[ -z "$$CHROMIUM" ] || exec $$find; \
	[ "$$(id -u)" = 0 ] && sudo= || sudo="sudo -n"; \
	$$find 2>/dev/null || \
	{ $$sudo apt-get update && $$sudo apt-get install -y chromium && $$find; } || \
	{ $(BIN)/playwright install chromium && $$find; } || \
	{ echo 'The browser tests need Chromium: install it, or set CHROMIUM to its path.' >&2; \
	  exit 1; }
