"""Tests of `Throttler` without waiting: tables, usage, bad input, live changes, forks."""
