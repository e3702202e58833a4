"""The stand-in exchange's record of requests: counts and a log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sluicegate.testing import Call, Market, StandInExchange, Statistics
from sluicegate.testing.calls import CallLog
from tests.stand_in.client import ask

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def exchange(clock: Clock) -> AsyncIterator[StandInExchange]:
    async with StandInExchange(market=Market.of_size(120), clock=clock) as running:
        yield running


@pytest.fixture
async def client(exchange: StandInExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(exchange.url) as session:
        yield session


async def test_log_tells_what_was_asked_when_and_how_it_was_answered(
    client: aiohttp.ClientSession, exchange: StandInExchange, clock: Clock
) -> None:
    await ask(client, "ping")
    clock.now += 3 * SECOND // 2
    names = exchange.market.trading
    await ask(client, "ticker/24hr", symbols=json.dumps(names))
    await ask(client, "depth", method="GET", symbol="NONE", limit=5)
    assert exchange.calls("/api/v3/ping") == [Call("GET", "/api/v3/ping", {}, 0.0, 200)]
    (batch,) = exchange.calls("/api/v3/ticker/24hr")
    assert len(batch.symbols) == 120
    assert (batch.symbols, batch.at, batch.status) == (names, 1.5, 200)
    (single,) = exchange.calls("/api/v3/depth")
    assert (single.symbols, single.status) == (("NONE",), 400)
    assert single.query == {"symbol": "NONE", "limit": "5"}
    assert len(exchange.calls()) == 3


def test_symbols_of_a_call_for_all_or_with_nonsense_are_none() -> None:
    for query in ({}, {"symbols": "nonsense"}, {"symbols": "[1]"}):
        assert Call("GET", "/", query, 0.0, 200).symbols == ()


async def test_counts_are_by_method_and_path_and_survive_json(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    for method in ("POST", "DELETE", "POST"):
        await ask(client, "order", method=method)
    await ask(client, "nowhere")
    seen = exchange.statistics()
    assert seen.calls == {
        "POST /api/v3/order": 2,
        "DELETE /api/v3/order": 1,
        "GET /api/v3/nowhere": 1,
    }
    assert sum(seen.calls.values()) == seen.requests
    assert Statistics.from_json(json.loads(json.dumps(seen.to_json()))) == seen


async def test_cleared_log_is_empty_and_the_counts_stay_until_a_reset(
    client: aiohttp.ClientSession, exchange: StandInExchange, clock: Clock
) -> None:
    await ask(client, "ping")
    exchange.clear_calls()
    assert exchange.calls() == []
    clock.now += SECOND
    await ask(client, "ping")
    assert [call.at for call in exchange.calls()] == [1.0]
    assert exchange.statistics().calls == {"GET /api/v3/ping": 2}
    exchange.fail()
    await ask(client, "ping")
    exchange.reset()
    assert exchange.calls() == []
    assert exchange.statistics().calls == {}
    assert exchange.statistics().failed == 0


def test_log_keeps_the_latest_and_counts_all() -> None:
    log = CallLog(capacity=2)
    for second in range(3):
        log.record(second * SECOND, "GET", "/", {}, 200)
    assert [call.at for call in log.calls()] == [1.0, 2.0]
    assert log.counts == {"GET /": 3}
