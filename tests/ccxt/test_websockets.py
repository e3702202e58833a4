"""Connections and requests of WebSocket APIs take from the budget, where the table has limits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from sluicegate.ccxt import install, usage
from sluicegate.ccxt.installing import charges
from sluicegate.ccxt.websockets import operation

pro = pytest.importorskip("ccxt.pro")

API = "wss://ws-api.binance.com:443/ws-api/v3"
STREAM = "wss://stream.binance.com:9443/ws/btcusdt@trade"


def connection(monkeypatch: pytest.MonkeyPatch, exchange: Any, url: str) -> tuple[Any, list[Any]]:
    """A connection of an object that sends nothing; what it would have sent."""
    module = import_module("ccxt.async_support.base.exchange")
    kinds = (getattr(module, name, None) for name in ("Client", "FastClient"))
    kind = next(one for one in kinds if one is not None)
    sent: list[Any] = []

    async def opened(self: Any, *args: Any) -> None:
        sent.append("opened")

    async def send(self: Any, message: Any) -> None:
        sent.append(message)

    for name, fake in (("open", opened), ("send", send)):
        owner = next(one for one in kind.__mro__ if name in vars(one))
        monkeypatch.setattr(owner, name, fake)
    install()
    return exchange.client(url), sent


def used(exchange: Any) -> dict[str, int]:
    budget = charges().budgets.of("binance-spot", "", exchange.apiKey and _account(exchange))
    limits = budget.throttler.usage()
    return {name.partition(" of ")[0]: one.used for name, one in limits.items() if one.used}


def _account(exchange: Any) -> str:
    from sluicegate.ccxt.egress import account_of

    return account_of(exchange)


async def test_an_order_over_a_websocket_is_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = pro.binance({"apiKey": "k", "secret": "s"})
    client, sent = connection(monkeypatch, exchange, API)
    await client.open(None, 0)
    order = {"id": "1", "method": "order.place", "params": {"symbol": "BTCUSDT"}}
    await client.send(order)
    assert sent == ["opened", order]
    assert used(exchange) == {
        "WS_CONNECTIONS": 1,
        "REQUEST_WEIGHT": 1,
        "ORDERS": 1,
        "ORDERS_1D": 1,
    }
    await exchange.close()


async def test_a_stream_takes_a_connection_and_its_messages_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = pro.binance()
    client, sent = connection(monkeypatch, exchange, STREAM)
    await client.open(None, 0)
    await client.send({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
    assert len(sent) == 2
    assert used(exchange) == {"WS_CONNECTIONS": 1}
    await exchange.close()


async def test_an_exchange_without_limits_for_it_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = pro.bitstamp()
    client, sent = connection(monkeypatch, exchange, "wss://ws.bitstamp.net")
    await client.open(None, 0)
    await client.send("ping")
    assert sent == ["opened", "ping"]
    assert usage(exchange) == {}
    await exchange.close()


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"method": "order.place", "params": {"a": 1}}, "order.place"),
        ({"op": "subscribe", "args": ["x"]}, "subscribe"),
        ({"event": "ping"}, "ping"),
        ("ping", ""),
        ({"id": 3}, ""),
    ],
)
def test_what_a_message_asks_for(message: Any, name: str) -> None:
    assert operation(message)[0] == name
