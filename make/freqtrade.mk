# Freqtrade itself, from PyPI, in an environment of its own that is kept between runs.
#
#   make test-freqtrade    the drop-in inside the real program; part of `make test`
#   make bench-freqtrade   stock Freqtrades beside some with the drop-in; writes its parts of
#                          benches/RESULTS.md, and takes some minutes
#
# Another Python: make test-freqtrade FREQTRADE_PYTHON=python3.12

FREQTRADE_PYTHON ?= $(shell sh make/freqtrade_python.sh $(PYTHON) python3.13 python3.12 python3.11)
FREQTRADE := .venv-freqtrade
FREQTRADE_BIN := $(FREQTRADE)/bin

.PHONY: test-freqtrade test-in-freqtrade bench-freqtrade

test-freqtrade:
	@python=$$(sh make/freqtrade_python.sh $(FREQTRADE_PYTHON)); if [ -n "$$python" ]; then \
		$(MAKE) --no-print-directory test-in-freqtrade FREQTRADE_PYTHON="$$python"; \
	else \
		echo "sluicegate: SKIPPED the tests inside Freqtrade: Freqtrade needs Python 3.11 to 3.13 (with venv), and" \
			"none was found. Name one: make test-freqtrade FREQTRADE_PYTHON=..."; \
	fi

test-in-freqtrade: $(FREQTRADE)/.built
	$(FREQTRADE_BIN)/python $(PYTEST) 2 peers/freqtrade

bench-freqtrade: $(FREQTRADE)/.built
	$(FREQTRADE_BIN)/python -m peers.freqtrade.bench
	$(FREQTRADE_BIN)/python -m peers.freqtrade.bench_beside

$(FREQTRADE)/.made: peers/freqtrade/requirements.txt
	@[ -n "$(FREQTRADE_PYTHON)" ] || { \
		echo "sluicegate: Freqtrade needs Python 3.11 to 3.13. Name one: FREQTRADE_PYTHON=..." >&2; exit 1; }
	@echo "installing Freqtrade from PyPI. This happens once and takes about a minute"
	$(FREQTRADE_PYTHON) -m venv $(FREQTRADE)
	$(FREQTRADE_BIN)/python -m pip install --quiet --upgrade pip
	$(FREQTRADE_BIN)/python -m pip install --quiet --requirement peers/freqtrade/requirements.txt
	@touch $@

# What `build` has built does for every environment of the same Python; another needs its own.
SUFFIX := -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))'

$(FREQTRADE)/.built: $(FREQTRADE)/.made $(VENV)/.built
	@if [ "$$($(FREQTRADE_BIN)/python $(SUFFIX))" = "$$($(BIN)/python $(SUFFIX))" ]; then \
		site=$$($(FREQTRADE_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		echo $(CURDIR)/python > "$$site/sluicegate.pth"; \
	else \
		VIRTUAL_ENV=$(CURDIR)/$(FREQTRADE) $(BIN)/maturin develop --release --quiet; \
	fi
	@touch $@
