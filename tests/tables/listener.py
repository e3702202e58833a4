"""Gives an answer to a table, with a throttler that notes what it is told."""

from __future__ import annotations

from typing import Any

from sluicegate import tables
from sluicegate.tables import Endpoint, Header, Heard, Limit, Refusal, Table
from tests.tables.fake_throttler import FakeThrottler

SPOT = tables.load("binance-spot")
DEPTH = ("GET", "/api/v3/depth")
ORDER = ("POST", "/api/v3/order")
DATE = "Sat, 29 Nov 2025 12:00:00 GMT"
NOW = 1_764_417_600.0
"""The instant of `DATE`."""

OWN = Table(
    (Limit("ALL", 100, 10.0, ""),),
    (
        Endpoint(
            "POST", "/order", {"ALL": 1}, limit=10, interval=1.0, key=("symbol",), group="order"
        ),
    ),
    headers=(
        Header("X-Limit", "limit"),
        Header("X-Left", "remaining"),
        Header("X-Reset", "reset", "epoch-ms"),
    ),
    refusals=(Refusal("over", code=("10006",), field="retCode", limits=("own",)),),
)


def listen(
    table: Table,
    request: tuple[str, str],
    status: int,
    headers: Any = None,
    body: Any = None,
    throttler: FakeThrottler | None = None,
    **options: Any,
) -> tuple[Heard, FakeThrottler]:
    fake = throttler or FakeThrottler(table)
    heard = table.listen(fake, *request, status, headers, body, **options)  # type: ignore[arg-type]
    return heard, fake
