"""Rules of `exchange.IO` for `*` count requests where the drop-in sees them."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install, uninstall
from sluicegate.exchange import limit
from tests.ccxt.strict import Server, ask, asynchronous, synchronous


def test_a_rule_for_everything_counts_implicit_calls() -> None:
    install()
    server = Server()
    exchange: Any = limit(synchronous(server))
    exchange.IO("rate", "*", 2, "1h")
    ask(exchange)
    ask(exchange)
    with pytest.raises(ccxt.RateLimitExceeded, match="over the limit of"):
        ask(exchange)
    assert len(server.arrivals) == 2


def test_a_unified_call_counts_for_each_of_its_requests() -> None:
    install()
    server = Server()
    inner = synchronous(server)
    inner.fetch_ticker = lambda symbol: [ask(inner), ask(inner)]
    exchange: Any = limit(inner)
    exchange.IO("rate", "*", 3, "1h")
    exchange.fetch_ticker("BTC/USD")
    with pytest.raises(ccxt.RateLimitExceeded):
        exchange.fetch_ticker("BTC/USD")
    assert len(server.arrivals) == 3


def test_rules_for_functions_still_count_calls() -> None:
    install()
    inner = synchronous(Server())
    inner.fetch_ticker = lambda symbol: [ask(inner), ask(inner)]
    exchange: Any = limit(inner)
    exchange.IO("rate", "GetTicker", 1, "1h")
    assert exchange.fetch_ticker("BTC/USD") == [{}, {}]
    assert exchange.fetch_ticker("BTC/USD") is None


async def test_asynchronous_requests_count_too() -> None:
    install()
    inner = asynchronous(Server())
    exchange: Any = limit(inner)
    exchange.IO("rate", "*", 1, "1h")
    await ask(exchange)
    with pytest.raises(ccxt.RateLimitExceeded):
        await ask(exchange)
    await inner.close()


def test_without_the_drop_in_calls_count() -> None:
    install()
    uninstall()
    inner = synchronous(Server())
    inner.fetch_ticker = lambda symbol: symbol
    exchange: Any = limit(inner)
    exchange.IO("rate", "*", 1, "1h")
    assert exchange.fetch_ticker("BTC/USD") == "BTC/USD"
    assert exchange.fetch_ticker("BTC/USD") is None
