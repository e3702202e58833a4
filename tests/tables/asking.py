"""A request of an exchange's table, and the answer to it."""

from __future__ import annotations

import json
from typing import Any

from sluicegate import tables
from sluicegate.tables import Heard
from tests.tables.fake_throttler import FakeThrottler

DATE = {"Date": "Sat, 29 Nov 2025 12:00:00 GMT"}
NOW = 1_764_417_600
"""The instant of `DATE`."""


def ask(
    name: str,
    method: str,
    url: str,
    status: int,
    headers: dict[str, str] | None = None,
    body: Any = None,
    query: Any = None,
) -> tuple[Heard, FakeThrottler]:
    """What a throttler that has the table of an exchange is told by an answer."""
    table = tables.load(name)
    fake = FakeThrottler(table)
    table.prepare(fake, method, url, query)  # type: ignore[arg-type]
    text = body if isinstance(body, str | None) else json.dumps(body)
    return table.listen(fake, method, url, status, headers, text, query=query), fake  # type: ignore[arg-type]
