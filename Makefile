# Everything that this project does, from a fresh clone. It needs Rust 1.95 or later, a C compiler and Python, and nothing else.
#
#   make demo    50 bots ask a stand-in exchange: without a limiter, and through sluicegate
#   make test    all tests: cargo, pytest with the examples of the README and docs, and inside Freqtrade
#   make lint    rustfmt, clippy, ruff, mypy, stubtest, zizmor
#   make bench   measures sluicegate and other libraries; writes benches/RESULTS.md
#   make docs    the documentation site, in target/site
#   make wheels  wheels and the source distribution, in dist
#   make audit   known defects and licences of everything that this project uses; make licences writes the texts
#   make clean   removes everything that the other commands made

PYTHON ?= python3
# What a shell that has not read its profile does not find.
export PATH := $(PATH):$(HOME)/.cargo/bin

VENV := .venv
BIN := $(VENV)/bin
# Most tests wait for most of their time: more of them run at once than there are cores. The number of them follows.
PYTEST := -m pytest --dist worksteal --numprocesses
RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find src -name '*.rs')

.PHONY: all demo test test-rust test-python lint bench bench-cache build clean tools
.DELETE_ON_ERROR:

all: test

tools:
	@sh make/tools.sh $(PYTHON)

$(VENV)/.made: pyproject.toml make/tools.sh
	@sh make/tools.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group build
	@touch $@

# Editable: only changes of the Rust sources need a new build.
$(VENV)/.built: $(VENV)/.made $(RUST_SOURCES)
	@sh make/tools.sh $(PYTHON)
	$(BIN)/maturin develop --release --quiet --extras demo
	@touch $@

$(VENV)/.%: $(VENV)/.built pyproject.toml
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

build: $(VENV)/.built

demo: build
	$(BIN)/sluicegate demo

test: test-rust test-python test-ccxt test-freqtrade

test-rust: tools
	cargo test --locked --features tokio,sqlite,redis

test-python: $(VENV)/.test
	$(BIN)/python $(PYTEST) 6

lint: $(VENV)/.lint $(VENV)/.test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --features tokio,python,sqlite,redis -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sluicegate._core --mypy-config-file pyproject.toml
	$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic .github

bench: bench-cache
	$(BIN)/python -m benches
	$(BIN)/python -m benches.plots
	@$(BIN)/python -m benches.readme

bench-cache: $(VENV)/.bench
	$(BIN)/python -m benches.bench_cache --write

clean:
	rm -rf $(VENV) $(PEERS) $(FREQTRADE) .venv-ccxt-* target dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests benches peers -name __pycache__ -type d -prune -exec rm -rf {} +
	find python -name '_core*.so' -delete

-include make/*.mk
