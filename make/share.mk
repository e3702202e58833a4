# Several processes on one limit, over a SQLite file and over Redis.
#
#   make bench-share    sluicegate beside pyrate-limiter, limits and throttled-py; writes its part of
#                       benches/RESULTS.md, and takes about 8 minutes
#
# The rows of Hummingbot and Freqtrade are left out, and it says so, where they are not installed:
# `make test-peers` and `make test-freqtrade` install them.
#
# To see that it runs, in a minute or two: .venv/bin/python -m benches.share --quick

.PHONY: bench-share

bench-share: $(VENV)/.bench $(VENV)/.test
	$(BIN)/python -m benches.share
