"""Tests of `sluicegate.testing`: the stand-in exchange."""
