"""Fixtures of the tests of sharing: a file, each Redis and Valkey here, and what a server saw."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.servers import MISSING, RedisServer, server_programs, version_of
from tests.sharing.bots import Server

PROGRAMS = server_programs() or [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]

if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]  # A file as the store needs Linux.


@pytest.fixture
def store(tmp_path: Path) -> str:
    folder = tmp_path / "store"
    folder.mkdir()
    return f"sqlite:///{folder}/budget.db"


@pytest.fixture(params=PROGRAMS, ids=lambda program: program and version_of(program))
def redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with RedisServer(request.param) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)
