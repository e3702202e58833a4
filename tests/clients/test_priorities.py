"""Cancels go before orders, orders before account questions, and these before market data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sluicegate._priorities import VARIABLE, Priorities, priority_of_route
from sluicegate.clients.pacing import Pacing
from sluicegate.tables import Endpoint, Limit, Table, load
from sluicegate.testing import ManualClock
from tests.clients.kinds import httpx_async, until
from tests.clients.server import Server

TABLE = Table(
    (Limit("A", 1, 1.0),),
    (
        Endpoint("GET", "/api/v3/depth", {"A": 1}, group="market"),
        Endpoint("GET", "/api/v3/account", {"A": 1}, group="account"),
        Endpoint("POST", "/api/v3/order", {"A": 1}, group="order"),
        Endpoint("DELETE", "/api/v3/order/{id}", {"A": 1}, group="cancel"),
    ),
    {"A": 1},
)
DEPTH = ("GET", "/api/v3/depth?limit=5")
ACCOUNT = ("GET", "/api/v3/account")
ORDER = ("POST", "/api/v3/order")
CANCEL = ("DELETE", "/api/v3/order/12")
LATE_FIRST = [DEPTH, ACCOUNT, ORDER, CANCEL]


async def left(
    kind: Any, server: Server, asked: list[tuple[str, str]], priorities: Priorities = True
) -> list[tuple[str, str]]:
    """The order in which requests arrive that have all waited."""
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler, priorities=priorities) as ask:
        await ask("GET", "/first")
        waiting = []
        for number, request in enumerate(asked, start=1):
            waiting.append(asyncio.create_task(ask(*request)))
            await until(lambda number=number: throttler.usage("A").waiting == number)
        while (arrived := len(server.arrivals)) <= len(asked):
            clock.advance(1.0)
            await until(lambda arrived=arrived: len(server.arrivals) > arrived)
            await until(lambda: throttler.usage("A").in_flight == 0)
        await asyncio.gather(*waiting)
    return [(method, path) for method, path, *_ in server.arrivals[1:]]


async def test_the_usual_order_is_by_what_a_request_is_for(kind: Any, server: Server) -> None:
    assert await left(kind, server, LATE_FIRST) == LATE_FIRST[::-1]


async def test_false_leaves_the_order_of_arrival(kind: Any, server: Server) -> None:
    assert await left(kind, server, LATE_FIRST, False) == LATE_FIRST


async def test_the_environment_leaves_the_order_of_arrival(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    assert await left(httpx_async, server, LATE_FIRST) == LATE_FIRST


@pytest.mark.parametrize("word", ["GET /depth", "get /api/v3/depth/", "/v3/depth", "/depth"])
async def test_the_users_words_win(server: Server, word: str) -> None:
    asked = await left(httpx_async, server, LATE_FIRST, {word: 4})
    assert asked == [DEPTH, CANCEL, ORDER, ACCOUNT]


async def test_what_the_table_does_not_know_is_told_by_its_words(server: Server) -> None:
    other = ("DELETE", "/api/v3/openOrders")
    asked = [DEPTH, ORDER, other]
    assert await left(httpx_async, server, asked) == [other, ORDER, DEPTH]


async def test_requests_of_one_endpoint_keep_their_order(server: Server) -> None:
    asked = [("POST", f"/api/v3/order?n={number}") for number in range(4)]
    assert await left(httpx_async, server, asked) == asked


def of(priorities: Priorities, method: str, path: str, table: str = "binance-spot") -> int:
    return priority_of_route(priorities, load(table).route(method, path), method, path)


def test_the_longer_word_counts_and_the_one_with_a_method_and_an_id_before_all() -> None:
    words = {"/depth": 4, "/v3/depth": 5, "GET /api/v3/depth?limit<=100": 6}
    assert of(words, "GET", "/api/v3/depth?limit=5") == 6
    assert of(words, "GET", "/api/v3/depth?limit=5000") == 5
    both = {"/order": 4, "DELETE /order": -1}
    assert of(both, "DELETE", "/api/v3/order") == -1
    assert of(both, "POST", "/api/v3/order") == 4
    # The end of a path begins with a whole segment of it.
    assert of({"/rder": 4}, "POST", "/api/v3/order") == 2


def test_an_id_with_a_symbol_has_the_words_of_its_entry() -> None:
    table = load("okx")
    made = table.route("POST", "/api/v5/trade/order", {"instId": "BTC-USDT"})
    assert made.made
    assert priority_of_route({"POST /trade/order": 7}, made, "POST", "/") == 7
    assert priority_of_route({made.id: 8}, made, "POST", "/") == 8
    Pacing(table, None, 0, None, {made.id: 8})


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"GET /depth": 1.5}, TypeError, "'GET /depth' must be a whole number"),
        ({"GET /depth": True}, TypeError, "not True"),
        ({5: 5}, TypeError, 'must name requests, as "GET /depth", not 5'),
        ({"GET /depth": 1001}, ValueError, "from -1000 to 1000, not 1001"),
        ({"GET /depth": 1, "get  /depth": 2}, ValueError, "'GET /depth' twice: 1 and 2"),
        ({"depth": 1}, ValueError, "'depth', which the table 'exchange' does not have"),
        ({"GET /api/v3/depth?limit=5": 1}, ValueError, "did you mean 'GET /api/v3/depth'"),
        ({"CancelOrder": 1}, ValueError, "CancelOrder"),
        ("GET /depth", TypeError, "must be True, False, or numbers by id"),
        (None, TypeError, "not None"),
        (3, TypeError, "not 3"),
    ],
)
def test_words_that_cannot_be_are_refused(words: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Pacing(TABLE, None, 0, None, words)


@pytest.mark.parametrize("word", ["GET /dept", "GET /DEPTH", "get /Depth/"])
def test_a_path_that_looks_like_one_of_the_table_is_warned_of(word: str) -> None:
    with pytest.warns(RuntimeWarning, match=r"did you mean 'GET /depth'\?"):
        Pacing(TABLE, None, 0, None, {word: 1})
    Pacing(TABLE, None, 0, None, {"GET /something/else": 1, "*": 2})
