"""Tests of `sluicegate.exchange`: `exchange.IO("rate" | "quota", …)`."""
