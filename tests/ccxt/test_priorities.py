"""Cancels go before orders, orders before account questions, and these before market data."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sluicegate import Throttler
from sluicegate._priorities import BY_GROUP, Priorities, group_of_name
from sluicegate.ccxt import install, uninstall, usage
from sluicegate.ccxt.installing import charges
from sluicegate.ccxt.priorities import RequestPriorities
from sluicegate.exchange import limit
from sluicegate.tables import load
from sluicegate.testing import ManualClock
from tests.helpers.threads import until

KLINES, DEPTH = "publicGetKlines", "publicGetDepth"
ACCOUNT, ORDER, CANCEL = "privateGetAccount", "privatePostOrder", "privateDeleteOrder"
LATE_FIRST = [KLINES, ACCOUNT, ORDER, CANCEL]


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()
    clock.set_wall(30.0)
    return clock


class Binance(ccxt_async.binance):  # type: ignore[misc]
    """Answers at once, and notes what was asked, in which order."""

    asked: list[str]

    async def fetch(self, url: str, method: str = "GET", *_: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {url.partition('?')[0].rpartition('/')[2]}")
        return {}


async def order_of(priorities: Priorities, clock: ManualClock) -> list[str]:
    """The order in which requests leave that have waited for the weight, the oldest first."""
    install(priorities=priorities, clock=clock)
    exchange = Binance({"apiKey": "k", "secret": "s"})
    exchange.asked = []
    for _ in range(24):
        await exchange.publicGetDepth({"symbol": "BTCUSDT", "limit": 5000})
    exchange.asked.clear()
    params = {"symbol": "BTCUSDT", "orderId": 1, "side": "BUY", "type": "MARKET", "quantity": 1}
    waiting = [asyncio.create_task(getattr(exchange, name)(dict(params))) for name in LATE_FIRST]
    for _ in range(50):
        await asyncio.sleep(0)
    assert usage(exchange)["REQUEST_WEIGHT"].waiting == len(waiting)
    clock.advance(90)
    await asyncio.gather(*waiting)
    await exchange.close()
    return exchange.asked


async def test_the_usual_order_is_by_what_a_request_is_for(clock: ManualClock) -> None:
    assert await order_of(True, clock) == [
        "DELETE order",
        "POST order",
        "GET account",
        "GET klines",
    ]


async def test_without_priorities_the_oldest_goes_first(clock: ManualClock) -> None:
    assert await order_of(False, clock) == [
        "GET klines",
        "GET account",
        "POST order",
        "DELETE order",
    ]


async def test_the_user_s_own_words_win(clock: ManualClock) -> None:
    asked = await order_of({"GET /api/v3/klines": 9}, clock)
    assert asked == ["GET klines", "DELETE order", "POST order", "GET account"]


@pytest.mark.parametrize("kind", [Binance, "bitstamp"])
async def test_a_misspelt_word_is_told_once_when_all_names_should_be_known(
    clock: ManualClock, kind: Any
) -> None:
    now = [0.0]
    said = {"/dept": 4, "GET /ticker/{par}": 2, "DELETE /order": 4, "/ticker/{pair}": 1}
    install(priorities=said, clock=clock)
    unused = charges().budgets.priorities.unused
    assert unused is not None
    unused._clock = lambda: now[0]
    exchange = Binance() if kind is Binance else Elsewhere({"rateLimit": 1})
    exchange.asked = []
    ask = exchange.publicGetPing if kind is Binance else exchange.publicGetTradingPairsInfo
    await ask()
    now[0] = 59.0
    other = Elsewhere({"rateLimit": 1}) if kind is Binance else Binance()
    other.asked = []
    await (other.publicGetTradingPairsInfo() if kind is Binance else other.publicGetPing())
    await ask()
    now[0] = 61.0
    with pytest.warns(RuntimeWarning) as caught:
        await ask()
    await ask()
    [warning] = caught
    assert str(warning.message).startswith(
        "priorities has words that name no request, and change nothing: "
        "'/dept' (did you mean '/depth'?), "
        "'GET /ticker/{par}' (did you mean 'GET /ticker/{pair}'?); "
    )
    await exchange.close()
    await other.close()


def test_what_is_not_known_by_then_is_told_at_the_end(clock: ManualClock) -> None:
    install(priorities={"/dept": 4}, clock=clock)
    uninstall()  # Nobody asked anything: nobody knows.
    install(priorities={"/dept": 4}, clock=clock)
    exchange = Threaded({"rateLimit": 1})
    exchange.asked = []
    exchange.publicGetTickerPair({"pair": "btcusd"})
    with pytest.warns(RuntimeWarning, match="'/dept'"):
        uninstall()


def test_what_a_table_does_not_know_is_in_the_middle() -> None:
    route = load("binance-spot").route("GET", "/api/v3/nobody")
    assert (
        RequestPriorities(True).of_route(route, "GET", "/api/v3/nobody") == BY_GROUP["account"] == 1
    )


def test_another_share_needs_an_uninstall() -> None:
    install()
    assert charges().budgets.share is None
    with pytest.raises(ValueError, match="uninstall"):
        install(share="sqlite:////tmp/nowhere.db")


class Elsewhere(ccxt_async.bitstamp):  # type: ignore[misc]
    """An exchange that sluicegate has no table of: it answers at once, and notes what was asked."""

    asked: list[str]

    async def fetch(self, url: str, method: str = "GET", *_: Any) -> dict[str, Any]:
        self.asked.append(url.split("/api/v2/")[1].partition("?")[0].strip("/"))
        return {}


TICKER, BALANCE, BUY, CANCELS = "ticker/btcusd", "balance", "buy/btcusd", "cancel_order"


async def elsewhere(priorities: Priorities, clock: ManualClock, rule: str = "") -> list[str]:
    """The same where only ccxt's own pace holds, or a rule of the user's before it."""
    install(priorities=priorities, clock=clock)
    inner = Elsewhere({"apiKey": "k", "secret": "s", "uid": "u", "rateLimit": 1000})
    inner.asked = []
    exchange: Any = inner
    counts, limit_id = usage, "rateLimit 1000 ms in 1000 ms"
    if rule:
        inner.rateLimit = 1
        throttler = Throttler([], hold="start", clock=clock)
        exchange = limit(inner, throttler=throttler)
        exchange.IO("rate", "*", 1, "1s", rule)
        counts, limit_id = lambda _: throttler.usage(), "rate:*"
    await exchange.publicGetTickerPair({"pair": "btcusd"})
    inner.asked.clear()
    pair = {"pair": "btcusd"}
    calls = [
        lambda: exchange.publicGetTickerPair(pair),
        lambda: exchange.privatePostBalance({}),
        lambda: exchange.privatePostBuyPair(pair),
        lambda: exchange.privatePostCancelOrder({"id": 1}),
    ]
    waiting = []
    for number, call in enumerate(calls, start=1):
        waiting.append(asyncio.ensure_future(call()))
        for _ in range(50):
            await asyncio.sleep(0)
        assert counts(inner)[limit_id].waiting == number
    while len(inner.asked) < len(calls):
        clock.advance(1.5)
        for _ in range(50):
            await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    await inner.close()
    return inner.asked


@pytest.mark.parametrize("rule", ["", "delay"])
async def test_without_a_table_the_path_tells_what_a_request_is_for(
    clock: ManualClock, rule: str
) -> None:
    assert await elsewhere(True, clock, rule) == [CANCELS, BUY, BALANCE, TICKER]


@pytest.mark.parametrize("rule", ["", "delay"])
async def test_without_a_table_the_user_s_words_win(clock: ManualClock, rule: str) -> None:
    said = {"get /ticker/{pair}": 4, "/balance": -1}
    assert await elsewhere(said, clock, rule) == [TICKER, CANCELS, BUY, BALANCE]


def test_a_path_is_read_however_it_is_written() -> None:
    words = RequestPriorities({"GET /depth": 7})
    for method, path in (("get", "/depth/"), ("Get", "depth?limit=5"), ("GET", "v2/depth")):
        assert words.of_path(["public"], method, path) == 7
    assert words.of_path("private", "delete", "ORDER/5") == 3


async def test_without_a_table_false_leaves_the_order_of_arrival(clock: ManualClock) -> None:
    assert await elsewhere(False, clock) == [TICKER, BALANCE, BUY, CANCELS]


async def test_a_pace_beside_a_table_has_the_same_order(clock: ManualClock) -> None:
    install(clock=clock)
    exchange = Binance({"apiKey": "k", "secret": "s", "rateLimit": 1000})
    exchange.asked = []
    await exchange.publicGetDepth({"symbol": "BTCUSDT"})
    exchange.asked.clear()
    params = {"symbol": "BTCUSDT", "orderId": 1, "side": "BUY", "type": "MARKET", "quantity": 1}
    waiting = [asyncio.create_task(getattr(exchange, name)(dict(params))) for name in LATE_FIRST]
    for _ in range(50):
        await asyncio.sleep(0)
    while len(exchange.asked) < len(waiting):
        clock.advance(30)
        for _ in range(50):
            await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    await exchange.close()
    assert exchange.asked[:2] == ["DELETE order", "POST order"]
    assert exchange.asked[-1] == "GET klines"


def test_nearly_all_cancels_and_orders_of_ccxt_are_recognised() -> None:
    """By what each exchange's own `cancel_order` asks for, in the source of ccxt."""
    words = RequestPriorities(True)
    found: dict[str, list[int]] = {"cancel_order": [], "create_order": [], "fetch_ticker": []}
    for exchange_id in ccxt.exchanges:
        kind = getattr(ccxt, exchange_id)
        endpoints = dict(_endpoints(kind().describe()["api"]))
        for function, numbers in found.items():
            own = vars(kind).get(function)
            if own is None:
                continue
            for called in set(re.findall(r"self\.(\w+)\(", inspect.getsource(own))):
                place = endpoints.get(called.replace("_", "").lower())
                if place is not None:
                    numbers.append(words.of_path(*place))
    # Older versions have fewer exchanges, and fewer of these.
    assert min(map(len, found.values())) > 50
    assert found["cancel_order"].count(3) >= 0.96 * len(found["cancel_order"])
    recognised = sum(number >= 2 for number in found["create_order"])
    assert recognised >= 0.96 * len(found["create_order"])
    assert found["fetch_ticker"].count(0) >= 0.96 * len(found["fetch_ticker"])
    assert max(found["fetch_ticker"]) <= 1


def _endpoints(api: Any, section: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Where ccxt's implicit methods go, by their names: section, method and path."""
    for name, value in api.items():
        if name not in ("get", "post", "put", "delete", "patch"):
            if isinstance(value, dict):
                yield from _endpoints(value, (*section, name))
            continue
        for path in value:
            called = "".join((*section, name, *re.split(r"[^a-zA-Z0-9]", path))).lower()
            yield called, (list(section), name.upper(), path)


class Threaded(ccxt.bitstamp):  # type: ignore[misc]
    """The same for threads."""

    asked: list[str]

    def fetch(self, url: str, method: str = "GET", *_: Any) -> dict[str, Any]:
        self.asked.append(url.split("/api/v2/")[1].partition("?")[0].strip("/"))
        return {}


@pytest.mark.parametrize("rule", ["", "delay"])
def test_threads_have_the_same_order(clock: ManualClock, rule: str) -> None:
    install(clock=clock)
    pace = 1 if rule else 1000
    inner = Threaded({"apiKey": "k", "secret": "s", "uid": "u", "rateLimit": pace})
    inner.asked = []
    throttler = charges().budget_of(inner).throttler
    exchange: Any = inner
    limit_id = "rateLimit 1000 ms in 1000 ms"
    if rule:
        throttler, limit_id = Throttler([], hold="start", clock=clock), "rate:*"
        exchange = limit(inner, throttler=throttler)
        exchange.IO("rate", "*", 1, "1s", rule)
    pair = {"pair": "btcusd"}
    exchange.publicGetTickerPair(pair)
    threads = []
    for number, (name, params) in enumerate(
        [
            ("publicGetTickerPair", pair),
            ("privatePostBuyPair", pair),
            ("privatePostCancelOrder", {"id": 1}),
        ],
        start=1,
    ):
        threads.append(threading.Thread(target=getattr(exchange, name), args=(params,)))
        threads[-1].start()
        until(lambda number=number: throttler.usage(limit_id).waiting == number)
    for number in range(2, 5):
        clock.advance(1.5)
        until(lambda number=number: len(inner.asked) == number)
        until(lambda: throttler.usage(limit_id).in_flight == 0)
    for thread in threads:
        thread.join()
    assert inner.asked[1:] == [CANCELS, BUY, TICKER]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("POST open_orders/all/", "account"),
        ("POST open_orders/{pair}/", "account"),
        ("POST order_status/", "account"),
        ("POST QueryOrders", "account"),
        ("GET openOrders", "account"),
        ("GET dead-cancel-all/query", "account"),
        ("GetCancelledOrders", "account"),
        ("POST order", "order"),
        ("POST buy/{pair}/", "order"),
        ("POST orderList/oco", "order"),
        ("POST open/v1/orders", "order"),
        ("POST v5/position/trading-stop", "order"),
        ("POST futures/set-position-stop-loss", "order"),
        ("GET position/stop_loss", "account"),
        ("POST remove/order/{id}", "cancel"),
        ("POST cancel_order/", "cancel"),
        ("POST cancel_all_orders/", "cancel"),
        ("DELETE openOrders", "cancel"),
    ],
)
def test_a_question_about_orders_is_no_order_and_no_cancel_whatever_its_method(
    name: str, group: str
) -> None:
    assert group_of_name(name) == group
