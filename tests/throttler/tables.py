"""Binance's table of limits, and what a throttler's limits have in use."""

from __future__ import annotations

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    Throttler,
)

# The table of the source document on Hummingbot's throttler, section 3.
BINANCE = [
    RateLimit("REQUEST_WEIGHT", limit=1200, time_interval=60),
    RateLimit("ORDERS", limit=10, time_interval=1),
    RateLimit("ORDERS_24HR", limit=100000, time_interval=86400),
    RateLimit(
        "/depth",
        limit=5000,
        time_interval=60,
        linked_limits=[LinkedLimitWeightPair("REQUEST_WEIGHT", 50)],
    ),
    RateLimit(
        "/order",
        limit=5000,
        time_interval=60,
        linked_limits=[
            LinkedLimitWeightPair("REQUEST_WEIGHT", 1),
            LinkedLimitWeightPair("ORDERS", 1),
            LinkedLimitWeightPair("ORDERS_24HR", 1),
        ],
    ),
]


def used(throttler: Throttler) -> dict[str, int]:
    return {limit_id: usage.used for limit_id, usage in throttler.usage().items()}
