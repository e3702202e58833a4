"""Exchanges refuse with HTTP 200, too: what the body says holds for every object, at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sluicegate.ccxt import install, usage
from sluicegate.testing import ManualClock

SECRET = {"apiKey": "k", "secret": "c2VjcmV0", "password": "p"}
IN_5_S = str(int(time.time() * 1000) + 5000)

#: By exchange: ccxt's name of a request, and its parameters; what is answered: the status, headers
#: and body.
REFUSALS = [
    pytest.param(
        "kucoin",
        ("privateGetAccounts", {}),
        (status, {"gw-ratelimit-reset": "5000"}),
        '{"code":"429000","msg":"Too many requests"}',
        id=f"kucoin-{status}",
    )
    for status in (200, 429)
] + [
    pytest.param(
        "bybit",
        ("privateGetV5OrderRealtime", {"category": "linear"}),
        (200, {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": IN_5_S}),
        '{"retCode":10006,"retMsg":"Too many visits!","result":{},"time":1}',
        id="bybit",
    ),
    pytest.param(
        "bybit",
        ("publicGetV5MarketTickers", {"category": "spot"}),
        (200, {}),
        '{"retCode":10018,"retMsg":"Exceeded the IP Rate Limit.","result":{},"time":1}',
        id="bybit-address",
    ),
    pytest.param(
        "okx",
        ("publicGetMarketTicker", {"instId": "BTC-USDT"}),
        (200, {}),
        '{"code":"50011","msg":"Requests too frequent.","data":[]}',
        id="okx",
    ),
    pytest.param(
        "okx",
        ("privatePostTradeOrder", {"instId": "BTC-USDT", "side": "buy", "sz": "1"}),
        (200, {}),
        '{"code":"50061","msg":"Sub-account rate limit exceeded.","data":[]}',
        id="okx-account",
    ),
    pytest.param(
        "kraken",
        ("privatePostBalance", {}),
        (200, {}),
        '{"error":["EAPI:Rate limit exceeded"]}',
        id="kraken-calls",
    ),
    pytest.param(
        "kraken",
        ("privatePostAddOrder", {"pair": "XBTUSD", "type": "buy", "volume": "1"}),
        (200, {}),
        '{"error":["EOrder:Rate limit exceeded"]}',
        id="kraken-orders",
    ),
    pytest.param(
        "gate",
        ("publicSpotGetTickers", {}),
        (200, {}),
        '{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded"}',
        id="gate",
    ),
    pytest.param(
        "hyperliquid",
        ("privatePostExchange", {"action": {"type": "order", "orders": [{}]}}),
        (200, {}),
        '{"status":"err","response":"Too many cumulative requests sent (1 > 0) for cumulative '
        'volume traded $0."}',
        id="hyperliquid",
    ),
]


class Refuses(ThreadingHTTPServer):
    """Answers all requests alike, and counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0
        self.says: tuple[int, dict[str, str], str] = (200, {}, "{}")


class _Handler(BaseHTTPRequestHandler):
    server: Refuses
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked += 1
        status, headers, body = self.server.says
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Refuses]:
    with Refuses() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def at(server: Refuses, kind: Any, **config: Any) -> Any:
    """An object of a class whose addresses are the server's, with the paths that they have."""
    exchange = kind({**SECRET, **config})

    def lead(found: Any) -> Any:
        if isinstance(found, dict):
            return {name: lead(inner) for name, inner in found.items()}
        return server.url + urlsplit(found).path if isinstance(found, str) else found

    exchange.urls["api"] = lead(exchange.urls["api"])
    return exchange


def waits(exchange: Any) -> bool:
    return any(one.waiting for one in usage(exchange).values())


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("exchange_id", "request_", "answer", "body"), REFUSALS)
def test_nothing_leaves_before_its_time_and_the_error_is_ccxts_own(
    exchange_id: str,
    request_: tuple[str, Any],
    answer: tuple[int, dict[str, str]],
    body: str,
    asynchronous: bool,
    server: Refuses,
) -> None:
    name, params = request_
    if not hasattr(ccxt, exchange_id) or not hasattr(getattr(ccxt, exchange_id)(), name):
        pytest.skip("this ccxt does not have this request")
    kinds = getattr(ccxt, exchange_id), getattr(ccxt_async, exchange_id)
    clock = ManualClock()
    server.says = (*answer, body)

    def raised() -> tuple[type, str] | None:
        try:
            if asynchronous:
                asyncio.run(_ask(at(server, kinds[1]), name, params))
            else:
                getattr(at(server, kinds[0]), name)(params)
        except ccxt.BaseError as error:
            return type(error), str(error)
        # The oldest versions do not know every code.
        return None

    stock = raised()
    install(clock=clock)
    assert raised() == stock
    assert server.asked == 2
    # Another object, of the other kind as well.
    other = at(server, kinds[0])
    server.says = (200, {}, "{}")
    asked = threading.Thread(target=_quietly, args=(getattr(other, name), params), daemon=True)
    asked.start()
    while not waits(other):
        assert asked.is_alive(), "it has not waited"
        time.sleep(0.001)
    assert server.asked == 2
    clock.advance(1_000)
    asked.join(30)
    assert server.asked == 3


async def _ask(exchange: Any, name: str, params: Any) -> None:
    try:
        await getattr(exchange, name)(params)
    finally:
        await exchange.close()


def _quietly(function: Any, params: Any) -> None:
    try:
        function(params)
    except ccxt.BaseError:
        """`{}` is no answer of some exchanges."""
