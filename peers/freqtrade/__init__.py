"""The drop-in inside the real Freqtrade, and a benchmark beside Freqtrade's own caches."""
