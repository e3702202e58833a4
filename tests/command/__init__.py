"""Tests of the `sluicegate` command: `run`, `demo`, and what it says about itself."""
