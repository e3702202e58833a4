"""What a user changes between two calls of one object holds from the next call on."""

from __future__ import annotations

import gc
from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install, throttler, uninstall
from sluicegate.ccxt.by_object import ByObject
from tests.ccxt.strict import Server, ask, paces, synchronous


@pytest.fixture
def exchange() -> Any:
    """An object that has made a request already, so that all that is kept of it is there."""
    install()
    made = synchronous(Server())
    ask(made)
    return made


def used(exchange: Any) -> dict[str, float]:
    return {name: one.used / 1_000_000 for name, one in paces(exchange).items()}


def test_another_proxy(exchange: Any) -> None:
    exchange.httpsProxy = "http://proxy:8080"
    ask(exchange)
    exchange.httpsProxy = "http://other:8080"
    ask(exchange)
    exchange.httpsProxy = None
    ask(exchange)
    assert used(exchange) == {
        "rateLimit 20 ms in 1000 ms": 2,
        "rateLimit 20 ms in 1000 ms via http://proxy:8080": 1,
        "rateLimit 20 ms in 1000 ms via http://other:8080": 1,
    }


def test_a_proxy_of_the_class(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if "httpsProxy" in vars(exchange):
        pytest.skip("this ccxt gives each object proxies of its own")
    kind = type(exchange)
    for owner in (kind.__mro__[1], kind):
        monkeypatch.setattr(owner, "httpsProxy", "http://proxy:8080", raising=False)
        ask(exchange)
        monkeypatch.setattr(owner, "httpsProxy", None)
        ask(exchange)
    assert used(exchange) == {
        "rateLimit 20 ms in 1000 ms": 3,
        "rateLimit 20 ms in 1000 ms via http://proxy:8080": 2,
    }


def test_a_proxy_that_is_a_property_and_none_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    now: list[str | None] = [None]

    class Chooses(type(synchronous(Server()))):  # type: ignore[misc]
        httpsProxy = property(lambda self: now[0], lambda self, value: None)  # noqa: N815

    exchange = Chooses({"rateLimit": 20})
    exchange.server = Server()
    for proxy in (None, "http://proxy:8080", None):
        now[0] = proxy
        ask(exchange)
    assert used(exchange) == {
        "rateLimit 20 ms in 1000 ms": 2,
        "rateLimit 20 ms in 1000 ms via http://proxy:8080": 1,
    }


def test_each_of_many_proxies_has_limits_of_its_own(exchange: Any) -> None:
    for number in range(300):
        exchange.httpsProxy = f"http://proxy:{number}"
        ask(exchange)
    assert len(used(exchange)) == 301


def test_another_host(exchange: Any) -> None:
    before = throttler(exchange)
    own = exchange.urls["api"]
    exchange.urls["api"] = dict.fromkeys(own, "https://sandbox.example.com/api")
    ask(exchange)
    assert throttler(exchange) is not before
    exchange.urls["api"] = own
    ask(exchange)
    assert throttler(exchange) is before
    assert used(exchange) == {"rateLimit 20 ms in 1000 ms": 2}


def test_a_bucket_that_is_changed_in_place(exchange: Any) -> None:
    exchange.tokenBucket = {"refillRate": 1 / 20}
    ask(exchange)
    exchange.tokenBucket["refillRate"] = 1 / 50
    ask(exchange)
    assert used(exchange)["rateLimit 50 ms in 1000 ms"] == 1


def test_another_algorithm(exchange: Any) -> None:
    exchange.rateLimiterAlgorithm, exchange.rollingWindowSize = "rollingWindow", 5000
    ask(exchange)
    exchange.rollingWindowSize = 3000
    ask(exchange)
    found = used(exchange)
    assert (found["rateLimit 20 ms in 5000 ms"], found["rateLimit 20 ms in 3000 ms"]) == (1, 1)


def test_no_pace_any_more(exchange: Any) -> None:
    exchange.enableRateLimit = False
    ask(exchange)
    assert used(exchange) == {"rateLimit 20 ms in 1000 ms": 1}


def test_another_key_and_another_name_of_the_account() -> None:
    install()
    binance = ccxt.binance({"apiKey": "one", "secret": "s"})
    binance.fetch = lambda *_, **__: {}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}

    def accounts() -> set[str]:
        names = throttler(binance).usage()
        return {name.rpartition(" of ")[2] for name in names if name.startswith("ORDERS")}

    binance.privatePostOrder(dict(order))
    assert len(accounts()) == 1
    binance.apiKey = "two"
    binance.privatePostOrder(dict(order))
    assert len(accounts()) == 2
    binance.options["sluicegate"] = {"account": "main"}
    binance.privatePostOrder(dict(order))
    assert len(accounts()) == 3
    assert "main" in accounts()


def test_whoever_still_calls_ours_after_the_end_gets_ccxts_own() -> None:
    owner = next(one for one in ccxt.Exchange.__mro__ if "throttle" in vars(one))
    own = owner.throttle
    install()
    ours = owner.throttle
    uninstall()
    made = synchronous(Server())
    told: list[float] = []
    made.milliseconds = lambda: told.append(1) or 10**12
    ours(made, 1)
    assert told, "ccxt's own pace reads the clock"
    assert owner.throttle is own


def test_what_is_kept_of_an_object_goes_with_it_and_is_not_another_ones() -> None:
    kept: ByObject[str] = ByObject()
    one, other = ccxt.bitstamp(), ccxt.bitstamp()
    kept.put(one, "a")
    kept.put(one, "b")
    assert (kept.get(one), kept.get(other)) == ("b", None)
    # Another object at the same address.
    kept._kept[id(other)] = kept._kept[id(one)]
    assert kept.get(other) is None
    del kept._kept[id(other)], one
    gc.collect()
    assert not kept._kept
