"""ccxt's own pacing beside the drop-in: `make bench-ccxt`."""
