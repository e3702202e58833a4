"""Connections and requests of WebSocket APIs take from the budget, where the table has limits."""

from __future__ import annotations

import asyncio
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


def used(exchange: Any, table: str = "binance-spot") -> dict[str, int]:
    budget = charges().budgets.of(table, "", exchange.apiKey and _account(exchange))
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


USDM = "wss://ws-fapi.binance.com/ws-fapi/v1"
OKX = "wss://ws.okx.com:443/ws/v5/private"
KRAKEN = "wss://ws-auth.kraken.com/v2"
CONNECTED = {"WS_CONNECTIONS": 1}


@pytest.mark.parametrize(
    ("exchange_id", "table", "url", "message", "takes"),
    [
        ("binanceusdm", "binance-usdm", USDM, None, {"REQUEST_WEIGHT": 5}),
        (
            "binance",
            "binance-usdm",
            USDM,
            {"method": "order.place", "params": {"symbol": "BTCUSDT"}},
            {"REQUEST_WEIGHT": 5, "ORDERS": 1, "ORDERS_1M": 1},
        ),
        (
            "binance",
            "binance-usdm",
            USDM,
            {"method": "depth", "params": {"symbol": "BTCUSDT", "limit": 1000}},
            {"REQUEST_WEIGHT": 25},
        ),
        ("bybit", "bybit", "wss://stream.bybit.com/v5/public/spot", None, CONNECTED),
        ("bybit", "bybit", "wss://stream-testnet.bybit.com/v5/public/spot", None, {}),
        ("okx", "okx", OKX, None, CONNECTED),
        (
            "okx",
            "okx",
            OKX,
            {"op": "batch-orders", "args": [{"instId": "A-B"}, {"instId": "A-B"}]},
            CONNECTED | {"ORDERS": 2, "PLACE [A-B]": 2},
        ),
        ("okx", "okx", OKX, {"op": "cancel-order", "args": [{"instIdCode": 1}]}, {"CANCEL": 1}),
        (
            "kucoin",
            "kucoin",
            "wss://ws-api-spot.kucoin.com/?token=t",
            {"type": "subscribe", "topic": "/market/ticker:A-B"},
            CONNECTED | {"WS_CONNECTIONS_USER": 1},
        ),
        ("kraken", "kraken", "wss://ws.kraken.com/v2", {"method": "subscribe"}, CONNECTED),
        (
            "kraken",
            "kraken",
            KRAKEN,
            {"method": "cancel_order", "params": {"order_id": ["A", "B"]}},
            CONNECTED | {"TRADING": 16},
        ),
        ("bitget", "bitget", "wss://ws.bitget.com/v2/ws/public", None, CONNECTED),
        (
            "coinbase",
            "coinbase-advanced",
            "wss://advanced-trade-ws.coinbase.com",
            {"type": "subscribe", "channel": "ticker"},
            CONNECTED | {"WS_MESSAGES": 1},
        ),
        (
            "hyperliquid",
            "hyperliquid",
            "wss://api.hyperliquid.xyz/ws",
            {"method": "subscribe", "subscription": {"type": "trades"}},
            {"WS_MESSAGES": 1},
        ),
    ],
)
async def test_what_an_exchange_limits_is_charged(
    exchange_id: str,
    table: str,
    url: str,
    message: Any,
    takes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not hasattr(pro, exchange_id):
        pytest.skip("this ccxt does not have it")
    exchange = getattr(pro, exchange_id)({"apiKey": "k", "secret": "s"})
    client, sent = connection(monkeypatch, exchange, url)
    await client.open(None, 0)
    if message is not None:
        await client.send(message)
        assert sent[-1] == message
    found = used(exchange, table)
    # What is shown of a window as of a whole: a bucket may have begun to drain.
    assert found.items() >= takes.items()
    assert set(found) - set(takes) <= {"WS_CONNECTIONS"}
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


async def test_what_goes_wrong_before_a_connection_is_told_to_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = pro.binance({"options": {"sluicegate": "no dictionary"}})
    client, sent = connection(monkeypatch, exchange, STREAM)
    news = client.future("trades")
    client.connect(None)
    with pytest.raises(TypeError, match="must be a dictionary"):
        await asyncio.wait_for(news, 30)
    assert sent == []
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
