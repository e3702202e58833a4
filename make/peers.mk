# Hummingbot itself, from PyPI, in an environment of its own that is kept between runs.
#
#   make test-peers        the drop-in inside the real program
#   make bench-hummingbot  Hummingbot's own throttler beside the drop-in; writes its part of
#                          benches/RESULTS.md, and takes some minutes
#
# Another Python: make test-peers PEERS_PYTHON=python3.12

PEERS_PYTHON ?= $(PYTHON)
PEERS := .venv-peers
PEERS_BIN := $(PEERS)/bin
HUMMINGBOT := 20260922

.PHONY: test-peers bench-hummingbot

$(PEERS)/.made: peers/hummingbot/requirements.txt peers/hummingbot/check_python.py
	@$(PEERS_PYTHON) peers/hummingbot/check_python.py
	$(PEERS_PYTHON) -m venv $(PEERS)
	$(PEERS_BIN)/python -m pip install --quiet --upgrade pip
	$(PEERS_BIN)/python -m pip install --quiet --requirement peers/hummingbot/requirements.txt
	@touch $@

# Without its requirements, which contradict each other (web3 wants websockets below 14, and
# decibel-python-sdk 14 or later): what its connectors need is in peers/hummingbot/requirements.txt.
# Its Cython modules are built unoptimised, as it offers itself: nothing here runs in them.
$(PEERS)/.hummingbot-$(HUMMINGBOT): $(PEERS)/.made
	@echo "building Hummingbot $(HUMMINGBOT) from PyPI. This happens once and takes some minutes"
	WITHOUT_CYTHON_OPTIMIZATIONS=1 $(PEERS_BIN)/python -m pip install --quiet --no-deps hummingbot==$(HUMMINGBOT)
	@touch $@

$(PEERS)/.built: $(PEERS)/.hummingbot-$(HUMMINGBOT) $(RUST_SOURCES)
	@sh make/tools.sh $(PYTHON)
	VIRTUAL_ENV=$(CURDIR)/$(PEERS) $(PEERS_BIN)/maturin develop --release --quiet
	@touch $@

test-peers: $(PEERS)/.built
	$(PEERS_BIN)/python -m pytest -W default peers/hummingbot

bench-hummingbot: $(PEERS)/.built $(VENV)/.built
	$(PEERS_BIN)/python -m peers.hummingbot.bench
	$(BIN)/python -m peers.hummingbot.bench_trading --python $(PEERS_BIN)/python
