"""Every test of this folder needs the three clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

for client in ("aiohttp", "httpx", "requests"):
    pytest.importorskip(client)

from tests.clients.kinds import KINDS  # noqa: E402
from tests.clients.server import Server  # noqa: E402


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    """Each client in turn."""
    return request.param


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        yield found
