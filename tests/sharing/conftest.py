"""Fixtures of the tests of sharing: a store in a file, and what a server saw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.sharing.bots import Server

if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]  # A file as the store needs Linux.


@pytest.fixture
def store(tmp_path: Path) -> str:
    folder = tmp_path / "store"
    folder.mkdir()
    return f"sqlite:///{folder}/budget.db"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)
