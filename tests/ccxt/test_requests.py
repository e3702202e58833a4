"""One request: when it waits, what it holds, what becomes of it if it fails or is given up."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from contextlib import suppress
from inspect import signature
from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install, throttler, uninstall
from sluicegate.ccxt.request import CURRENT
from sluicegate.testing import ManualClock
from tests.ccxt.strict import Server, ask, asynchronous, paces, synchronous

sends_again = pytest.mark.skipif(
    "maxRetriesOnFailure" not in ccxt.Exchange.fetch2.__code__.co_consts,
    reason="this ccxt sends nothing again by itself",
)


def used(exchange: Any) -> float:
    """Units of cost that are used."""
    return sum(one.used for one in paces(exchange).values()) / 1_000_000


def section(exchange: Any) -> Any:
    """The section of public endpoints: a list in newer versions."""
    return signature(exchange.fetch2.__wrapped__).parameters["api"].default


def fails(exchange: Any, times: int, error: Exception) -> list[int]:
    """An object of which so many requests fail; what it has sent."""
    sent: list[int] = []
    inner = exchange.fetch

    def fetch(*args: Any, **kwargs: Any) -> Any:
        sent.append(len(sent))
        if len(sent) <= times:
            raise error
        return inner(*args, **kwargs)

    exchange.fetch = fetch
    return sent


def test_a_request_holds_its_units_until_its_answer() -> None:
    install()
    exchange = synchronous(Server())
    seen: list[int] = []

    def fetch(*_: Any, **__: Any) -> dict[str, Any]:
        seen.extend(one.in_flight for one in paces(exchange).values())
        return {}

    exchange.fetch = fetch
    ask(exchange)
    assert seen == [1_000_000]
    assert [one.in_flight for one in paces(exchange).values()] == [0]


def test_a_request_waits_before_it_is_signed() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = synchronous(Server(), rateLimit=1000)
    ask(exchange)
    signed: list[float] = []
    sign = exchange.sign
    exchange.sign = lambda *args, **kwargs: (signed.append(clock.now), sign(*args, **kwargs))[1]
    waiting = threading.Thread(target=ask, args=(exchange,))
    waiting.start()
    while not any(one.waiting for one in paces(exchange).values()):
        pass
    assert signed == []
    clock.advance(1.0)
    waiting.join()
    assert signed == [clock.now]


@sends_again
@pytest.mark.parametrize("name", ["maxRetriesOnFailure", "defaultMaxRetriesOnFailure"])
@pytest.mark.parametrize("where", ["options", "params"])
def test_each_attempt_of_ccxt_is_charged(where: str, name: str) -> None:
    install()
    exchange = synchronous(Server(), options={name: 3} if where == "options" else {})
    sent = fails(exchange, 2, ccxt.RequestTimeout("slow"))
    params = {"pair": "btcusd"} | ({name: 3} if where == "params" else {})
    assert exchange.publicGetTickerPair(params) == {}
    assert len(sent) == 3
    assert used(exchange) == 3


@sends_again
@pytest.mark.parametrize(("failures", "sends"), [(2, 3), (9, 3)])
def test_attempts_with_a_list_of_orders_send_that_list(failures: int, sends: int) -> None:
    install()
    exchange = synchronous(Server(), options={"maxRetriesOnFailure": 2})
    signed: list[str] = []

    def sign(_path: str, _api: Any, method: str, params: Any, *_: Any) -> dict[str, Any]:
        signed.append(json.dumps(params))
        return {"url": "https://x.example", "method": method, "headers": None, "body": None}

    exchange.sign = sign
    sent = fails(exchange, failures, ccxt.RequestTimeout("slow"))
    with suppress(ccxt.RequestTimeout):
        exchange.fetch2("orders", section(exchange), "POST", ["a", {"b": 1}])
    assert len(sent) == sends
    assert set(signed) == {'["a", {"b": 1}]'}
    looks_for_names_in_lists = exchange.safe_value(_Named(), "any", None) == 0
    assert used(exchange) == (sends if looks_for_names_in_lists else 1)


class _Named(list[Any]):
    def __getitem__(self, key: Any) -> Any:
        return 0


@sends_again
def test_attempts_end_as_ccxt_says() -> None:
    install()
    exchange = synchronous(Server(), options={"maxRetriesOnFailure": 2})
    sent = fails(exchange, 9, ccxt.RequestTimeout("slow"))
    with pytest.raises(ccxt.RequestTimeout, match="slow"):
        ask(exchange)
    assert len(sent) == 3


@pytest.mark.parametrize(
    "error",
    ["RequestTimeout", "BadResponse", "OnMaintenance", "RateLimitExceeded", "ExchangeError"],
)
@pytest.mark.parametrize("name", ["maxRetriesOnFailure", "defaultMaxRetriesOnFailure"])
def test_nothing_is_sent_again_that_ccxt_would_not_send_again(error: str, name: str) -> None:
    def sends() -> int:
        exchange = synchronous(Server(), options={name: 2}, rateLimit=1)
        sent = fails(exchange, 9, getattr(ccxt, error)("not now"))
        with pytest.raises(getattr(ccxt, error)):
            ask(exchange)
        return len(sent)

    own = sends()
    install()
    assert sends() == own


@sends_again
def test_an_error_that_no_attempt_mends_is_raised_at_once() -> None:
    install()
    exchange = synchronous(Server(), options={"maxRetriesOnFailure": 2})
    sent = fails(exchange, 9, ccxt.BadSymbol("none"))
    with pytest.raises(ccxt.BadSymbol):
        ask(exchange)
    assert len(sent) == 1
    assert [one.in_flight for one in paces(exchange).values()] == [0]


@sends_again
async def test_asynchronous_attempts_are_charged() -> None:
    install()
    exchange = asynchronous(Server(), options={"maxRetriesOnFailure": 1})
    inner, sent = exchange.fetch, []

    async def fetch(*args: Any, **kwargs: Any) -> Any:
        sent.append(1)
        if len(sent) == 1:
            raise ccxt.RequestTimeout("slow")
        return await inner(*args, **kwargs)

    exchange.fetch = fetch
    assert await ask(exchange) == {}
    assert used(exchange) == 2
    await exchange.close()


async def test_waits_that_are_given_up_cost_nothing() -> None:
    clock = ManualClock()
    install(clock=clock)
    server = Server()
    exchange = asynchronous(server, rateLimit=1000)
    await ask(exchange)
    given_up = [asyncio.create_task(ask(exchange)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    clock.advance(1.0)
    await ask(exchange)
    assert used(exchange) == 1
    assert len(server.arrivals) == 2
    await exchange.close()


def test_a_cost_above_the_window_waits_for_as_long_as_it_costs() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = synchronous(Server())
    done = threading.Event()

    def dear() -> None:
        exchange.throttle(175)  # 3.5 windows of 50
        done.set()

    waiting = threading.Thread(target=dear)
    waiting.start()
    for _ in range(3):
        while not any(one.waiting for one in paces(exchange).values()):
            assert not done.is_set()
        clock.advance(1.0)
    waiting.join()
    assert used(exchange) == 25


def test_an_object_without_a_pace_is_left_alone() -> None:
    install()
    server = Server()
    exchange = synchronous(server, enableRateLimit=False)
    for _ in range(200):
        ask(exchange)
    assert used(exchange) == 0


def test_the_pace_is_read_at_each_request() -> None:
    install()
    exchange = synchronous(Server())
    ask(exchange)
    exchange.rateLimit = 40
    ask(exchange)
    assert {name: one.used for name, one in paces(exchange).items()} == {
        "rateLimit 20 ms in 1000 ms": 2_000_000,
        "rateLimit 40 ms in 1000 ms": 1_000_000,
    }


def test_a_pace_of_the_user_s_own_holds_besides() -> None:
    install()
    exchange = synchronous(Server())
    asked: list[float] = []
    exchange.throttle = lambda cost=None: asked.append(cost)
    ask(exchange)
    assert asked == [1]
    assert used(exchange) == 1


def test_copies_have_the_same_budget() -> None:
    install()
    exchange = ccxt.bitstamp({"rateLimit": 20})
    for other in (
        copy.copy(exchange),
        copy.deepcopy(exchange),
        pickle.loads(pickle.dumps(exchange)),
    ):
        assert throttler(other) is throttler(exchange)


def test_ccxt_is_as_before_after_the_drop_in() -> None:
    names = ("fetch2", "throttle", "on_rest_response")
    base = ccxt.base_exchange if hasattr(ccxt, "base_exchange") else ccxt.Exchange
    before = [getattr(base, name) for name in names]
    install()
    assert [getattr(base, name) for name in names] != before
    uninstall()
    assert [getattr(base, name) for name in names] == before
    with pytest.raises(RuntimeError, match="install"):
        throttler(ccxt.bitstamp())


def test_what_another_program_put_in_its_place_stays() -> None:
    owner = next(one for one in ccxt.Exchange.__mro__ if "on_rest_response" in vars(one))
    own = owner.on_rest_response
    install()
    ours = owner.on_rest_response
    theirs = lambda self, *args: ours(self, *args)  # noqa: E731
    owner.on_rest_response = theirs
    try:
        uninstall()
        assert owner.on_rest_response is theirs
        assert theirs(ccxt.bitstamp(), 200, "OK", "u", "GET", {}, " body ", {}, "") == "body"
    finally:
        owner.on_rest_response = own


def test_a_request_is_known_only_while_it_runs() -> None:
    install()
    exchange = synchronous(Server())
    ask(exchange)
    assert CURRENT.get() is None


@pytest.mark.parametrize("more", [(), (None,), ({},), ({"A": "b"}, "a body"), ("a body",)])
def test_whatever_else_a_user_gives_to_fetch2_a_request_costs_something(more: Any) -> None:
    install()
    exchange = synchronous(Server())
    # The newest has no headers and no body there: whether it takes them is its own affair.
    with suppress(TypeError, AttributeError):
        exchange.fetch2("ticker/{pair}", section(exchange), "GET", {"pair": "btcusd"}, *more)
    assert used(exchange) == 1


def test_a_listed_cost_that_is_changed_in_place_counts() -> None:
    install()
    exchange = synchronous(Server())
    config = {"cost": 1}
    for cost in (1, 3):
        config["cost"] = cost
        exchange.request(
            "ticker/{pair}", section(exchange), "GET", {"pair": "btcusd"}, config=config
        )
    assert used(exchange) == 4


def test_no_ccxt_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ccxt.base.exchange", None)
    with pytest.raises(ImportError):
        install()
