# A stock Freqtrade beside one with the drop-in; writes its part of benches/RESULTS.md, and takes some minutes.
#
#   make bench-freqtrade

FREQTRADE := .venv-freqtrade

.PHONY: bench-freqtrade

bench-freqtrade: $(FREQTRADE)/.built
	$(FREQTRADE)/bin/python -m peers.freqtrade.bench
