"""Tests of waiting at a `Throttler`: event loops, threads, blocks within blocks."""
