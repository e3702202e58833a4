"""The drop-in inside the real Hummingbot, and a benchmark beside its own throttler."""
