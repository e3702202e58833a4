# ccxt, from PyPI.
#
#   make bench-ccxt    ccxt's own pacing beside the drop-in; writes its part of benches/RESULTS.md, and takes some minutes

.PHONY: bench-ccxt

bench-ccxt: $(VENV)/.bench $(VENV)/.test
	$(BIN)/python -m benches.ccxt
