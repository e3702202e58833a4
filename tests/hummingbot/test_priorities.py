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


CANCELS_LAST = ["/order/create", "/order/cancel", "/account", "/depth"]
"""How all of `OWN` leave where a cancel may come before its order was answered."""


async def test_the_usual_order_is_by_what_a_request_is_for() -> None:
    assert await left(OWN, OWN) == CANCELS_LAST


@pytest.fixture
def connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module's `Connector` and what is made from it are Hummingbot's connectors."""
    bases = frozenset({Connector.__module__})
    monkeypatch.setattr("sluicegate.hummingbot.connector._CONNECTOR_BASES", bases)


class Connector:
    """Makes its throttler as Hummingbot's do, and cancels by the bot's own id of an order."""

    name = "connector"

    async def ask(self) -> Any:
        return await left(OWN, OWN)

    async def _place_cancel(self, order_id: str, tracked_order: Any) -> None:
        await self.delete(order_id)

    async def delete(self, order_id: str) -> None: ...


class Waits(Connector):
    """Needs the exchange's id to cancel an order."""

    async def _place_cancel(self, order_id: str, tracked_order: Any) -> None:
        await self.delete(await tracked_order.get_exchange_order_id())


class WaitsToo(Waits):
    """Has it from its base."""


class NoMore(Waits):
    """Overrides it."""

    _place_cancel = Connector._place_cancel


class Wrapped(Waits):
    """Nobody knows what it does."""

    _place_cancel: Any = staticmethod(len)


@pytest.mark.usefixtures("connectors")
@pytest.mark.parametrize("kind", [Waits, WaitsToo])
async def test_a_cancel_goes_before_orders_where_it_waits_for_the_exchanges_id(kind: Any) -> None:
    assert await kind().ask() == OWN[::-1]


@pytest.mark.usefixtures("connectors")
@pytest.mark.parametrize("kind", [Connector, NoMore, Wrapped])
async def test_a_cancel_by_the_bots_own_id_never_overtakes_its_order(kind: Any) -> None:
    assert await kind().ask() == CANCELS_LAST


@pytest.mark.usefixtures("connectors")
async def test_the_users_words_win_where_cancels_do_not_wait() -> None:
    priorities.use({"/order/cancel": 9})
    assert (await Connector().ask())[0] == "/order/cancel"


@pytest.mark.parametrize("word", ["GET /depth", "/depth", "get  /depth/"])
async def test_the_users_words_win(word: str) -> None:
    priorities.use({word: 4})
    assert await left(OWN, OWN) == ["/depth", *CANCELS_LAST[:-1]]


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

    assert await left(OWN, OWN, Asks) == CANCELS_LAST


def test_an_id_for_orders_has_the_priority_of_cancels_where_these_have_no_id() -> None:
    assert priorities.priorities_of(["/order"], True) == {"/order": 3}
    both = priorities.priorities_of(["/order", "OrderDelete"], True, cancels_wait=True)
    assert both == {"/order": 2, "OrderDelete": 3}


def test_of_several_words_for_one_id_the_highest_counts() -> None:
    said: Priorities = {"POST /order": 5, "DELETE /order": 7, "GET /nothing": 1}
    assert priorities.priorities_of(["/order"], said) == {"/order": 7}


def test_a_word_is_said_of_a_longer_path_and_the_longer_word_counts() -> None:
    ids = ["/api/v3/order", "GET-/api/v5/trade/order", "/api/v3/depth"]
    said: Priorities = {"POST /order": 5, "/v5/trade/order": 7, "GET /trade/order": 6}
    found = priorities.priorities_of(ids, said)
    assert [found[name] for name in ids] == [5, 7, 0]


@pytest.mark.parametrize("word", ["GET /order", "POST /order"])
def test_a_word_for_one_method_never_puts_the_others_behind(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = ["/order", "/v2/order", "/depth"]
    for _ in range(2):
        assert priorities.priorities_of(ids, {word: -1})["/order"] == 3
    [record] = caplog.records
    assert f"{word!r} is -1, but the requests of '/order' keep 3" in record.getMessage()
    assert "Say '/order' to move all of them" in record.getMessage()
    assert priorities.priorities_of(ids, {word: -1, "/v2/order": 1})["/v2/order"] == 1
    assert priorities.priorities_of(ids, {"/order": -1})["/order"] == -1
    # Nothing is asked but with GET.
    assert priorities.priorities_of(ids, {"GET /depth": -1})["/depth"] == -1
    assert priorities.priorities_of(ids, {word: 9})["/order"] == 9
    assert len(caplog.records) == 1


def test_a_word_for_another_method_than_that_of_the_id_is_not_said_of_it() -> None:
    ids = ["GET-/api/v5/trade/order", "DELETEv1/order", "POST /order"]
    found = priorities.priorities_of(ids, {"DELETE /order": 7, "GET /trade/order": 6})
    assert [found[name] for name in ids] == [6, 7, 3]


async def test_a_misspelt_word_is_told_once_when_all_names_should_be_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    said = {"/dept": 4, "GET /order": 5, "DELETE /account": 1, "/trade": 1, "DELETE /oder": 5}
    priorities.use(said)
    assert priorities._unused is not None
    priorities._unused._clock = lambda: now[0]
    AsyncThrottler(table(SHARED))
    now[0] = 59.0
    priorities.look()
    # Another connector has it.
    AsyncThrottler(table(["/trade"]))
    assert not caplog.records
    now[0] = 60.0
    for _ in range(2):
        priorities.look()
    [record] = caplog.records
    assert record.getMessage().startswith(
        "priorities has words that name no request, and change nothing: "
        "'/dept' (did you mean '/depth'?), 'DELETE /oder' (did you mean 'DELETE /order'?); "
    )


def test_without_a_word_that_names_nothing_nothing_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    priorities.use({"/depth": 4})
    AsyncThrottler(table(SHARED))
    priorities.use({"/nothing": 4})  # No throttler is made: nobody knows.
    priorities.use(None)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("DELETEv1/order", "cancel"),
        ("v1/allOpenOrders", "cancel"),
        ("PostOrder", "order"),
        ("/openApi/spot/v1/trade/order", "order"),
        ("GET /fapi/v1/allOpenOrders", "account"),
        ("GetOrderStatus", "account"),
        ("Buy", "order"),
        ("/public/prices/buy", "market"),
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
