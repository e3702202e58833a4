"""Fixture of the tests inside the real Hummingbot: `installed`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sluicegate.hummingbot as drop_in


@pytest.fixture
def installed() -> Iterator[None]:
    """The drop-in, inside Hummingbot for one test."""
    drop_in.install()
    yield
    drop_in.uninstall()
