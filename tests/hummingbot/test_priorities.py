"""In Hummingbot, cancels go before orders, account questions and market data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sluicegate._priorities import BY_GROUP, VARIABLE, Priorities, group_of_name
from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit, priorities
from sluicegate.testing import ManualClock

POOL = "REQUEST_WEIGHT"
OWN = ["/depth", "/account", "/order/create", "/order/cancel"]
SHARED = ["/depth", "/account", "/order"]


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    priorities.use(None)
    yield
    priorities.use(None)


def table(ids: list[str]) -> list[RateLimit]:
    pool = [LinkedLimitWeightPair(POOL)]
    return [RateLimit(POOL, 1, 1), *(RateLimit(name, 100, 1, linked_limits=pool) for name in ids)]


async def left(ids: list[str], asked: list[str], kind: type[AsyncThrottler] | None = None) -> Any:
    """The order in which requests leave that have all waited for the pool."""
    clock = ManualClock()

    class Timed(kind or AsyncThrottler):  # type: ignore[misc]
        _clock = clock

    throttler = Timed(table(ids))
    done: list[str] = []

    async def request(name: str, number: int) -> None:
        async with throttler.execute_task(name):
            done.append(f"{name} {number}" if asked.count(name) > 1 else name)

    async with throttler.execute_task(ids[0]):
        pass
    waiting = [asyncio.create_task(request(name, at)) for at, name in enumerate(asked)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not done
    while len(done) < len(asked):
        clock.advance(2)
        for _ in range(10):
            await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    return done


async def test_the_usual_order_is_by_what_a_request_is_for() -> None:
    assert await left(OWN, OWN) == OWN[::-1]


@pytest.mark.parametrize("word", ["GET /depth", "/depth"])
async def test_the_users_words_win(word: str) -> None:
    priorities.use({word: 4})
    assert await left(OWN, OWN) == ["/depth", "/order/cancel", "/order/create", "/account"]


async def test_without_priorities_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    priorities.use(False)
    assert await left(OWN, OWN) == OWN
    priorities.use(None)
    monkeypatch.setenv(VARIABLE, "0")
    assert await left(OWN, OWN) == OWN


async def test_requests_for_one_id_keep_their_order() -> None:
    asked = ["/depth", "/order", "/order", "/account", "/order"]
    assert await left(SHARED, asked) == ["/order 1", "/order 2", "/order 4", "/account", "/depth"]


async def test_a_subclass_that_says_what_requests_take_has_the_same_order() -> None:
    class Asks(AsyncThrottler):
        def get_related_limits(self, limit_id: str) -> Any:
            return super().get_related_limits(limit_id)

    assert await left(OWN, OWN, Asks) == OWN[::-1]


def test_an_id_for_orders_has_the_priority_of_cancels_where_these_have_no_id() -> None:
    assert priorities.priorities_of(["/order"], True) == {"/order": 3}
    both = priorities.priorities_of(["/order", "OrderDelete"], True)
    assert both == {"/order": 2, "OrderDelete": 3}


def test_of_several_words_for_one_id_the_highest_counts() -> None:
    said: Priorities = {"POST /order": 5, "DELETE /order": 7, "GET /nothing": 1}
    assert priorities.priorities_of(["/order"], said) == {"/order": 7}


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("DELETEv1/order", "cancel"),
        ("v1/allOpenOrders", "cancel"),
        ("PostOrder", "order"),
        ("/openApi/spot/v1/trade/order", "order"),
        ("GetOrderStatus", "account"),
        ("GET-/api/v5/trade/order", "account"),
        ("/v1/mytrades", "account"),
        ("SpotOrderBookSnapshot", "market"),
        ("/0/public/AssetPairs", "market"),
        ("RAW_REQUESTS", ""),
    ],
)
def test_names_tell_what_a_request_is_for(name: str, group: str) -> None:
    assert group_of_name(name) == group


def test_what_is_not_recognised_is_in_the_middle() -> None:
    assert BY_GROUP["market"] < BY_GROUP[""] < BY_GROUP["order"]


@pytest.mark.parametrize(
    ("words", "error"),
    [({"/depth": 1001}, ValueError), ({"/depth": True}, TypeError), ("/depth", TypeError)],
)
def test_words_that_cannot_be_are_refused(words: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="'/depth'"):
        priorities.use(words)
