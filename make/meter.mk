# What `sluicegate top` costs, and what it costs the bots that it shows.
#
#   make bench-meter    writes its part of benches/RESULTS.md, and takes about a minute and a half

.PHONY: bench-meter

bench-meter: $(VENV)/.bench
	$(BIN)/python -m benches.meter
