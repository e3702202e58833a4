"""Marks of tests that need what some systems lack: see `docs/platforms.md`."""

from __future__ import annotations

import sys

import pytest

needs_budget_in_a_file = pytest.mark.skipif(
    sys.platform != "linux", reason="a budget in a file needs Linux"
)
needs_unix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such signals, scripts or rights of files"
)
