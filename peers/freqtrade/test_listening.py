"""What the exchange says about limits holds all calls of a real bot, and its retries."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from peers.freqtrade.bot import Bot, configuration, until
from sluicegate.testing import Market, StandInExchange
from sluicegate.testing.answers import binance_handlers
from sluicegate.testing.server_clock import ServerClock

CANDLES, TICKERS = "/api/v3/klines", "/api/v3/ticker/24hr"
PAIRS = 12
WAIT = 8
"""Seconds that the exchange says to wait. Freqtrade alone asks again after 1, 2 and 5 of them."""

UNDER_WAY = 0.5
"""What had left before the answer was there arrives so much later at most."""


class Refusing:
    """An exchange that refuses one request for a path, and says how long to wait."""

    def __init__(self, path: str, status: int) -> None:
        self._status = status
        self._is_over = False
        market = Market.of_size(PAIRS)
        own = binance_handlers(lambda: self.exchange.table, market, ServerClock())
        self._own = own["GET", path]
        self.exchange = StandInExchange(market=market, handlers={("GET", path): self._answer})

    def _answer(self, request: web.Request) -> Any:
        if self._is_over:
            return self._own(request)
        self._is_over = True
        body = {"code": -1003, "msg": "Too many requests."}
        if self._status == 418:
            until_ms = round((time.time() + WAIT) * 1e3)
            body["msg"] = f"Way too much request weight used; IP banned until {until_ms}."
        headers = {"Retry-After": str(WAIT)}
        return web.json_response(body, status=self._status, headers=headers)


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[Refusing]:
    refusing = Refusing(*request.param)
    with refusing.exchange:
        yield refusing


@pytest.mark.parametrize(
    "refusing",
    [(CANDLES, 429), (CANDLES, 418), (TICKERS, 429), (TICKERS, 418)],
    ids=["the asynchronous object, 429", "418", "the synchronous object, 429", "418 of it"],
    indirect=True,
)
def test_a_bot_asks_nothing_before_the_exchange_said_it_may(
    tmp_path: Path, refusing: Refusing
) -> None:
    exchange = refusing.exchange
    config = configuration(
        tmp_path,
        exchange.url,
        exchange.market.pairs,
        {"keep_warm": False},
        pace=1,
        initial_state="running",
        fiat_display_currency="",
    )
    with Bot(tmp_path, config, "--trades", str(PAIRS)) as bot:
        until(lambda: _refused(exchange), "the exchange refuses")
        [at] = _refused(exchange)
        # Whoever asks for a report wants prices, too.
        asking = [threading.Thread(target=_profit, args=(bot,), daemon=True) for _ in range(3)]
        for thread in asking:
            thread.start()
        until(lambda: exchange.calls()[-1].at > at + WAIT, "the bot asks again")
        calls = exchange.calls()
        for thread in asking:
            thread.join(90)
            assert not thread.is_alive(), "who asked gets an answer"
    early = [call for call in calls if at + UNDER_WAY < call.at < at + WAIT]
    assert not early
    assert len(_refused(exchange)) == 1


def _refused(exchange: StandInExchange) -> list[float]:
    return [call.at for call in exchange.calls() if call.status in (418, 429)]


def _profit(bot: Bot) -> None:
    # It may have gone on without a price.
    with contextlib.suppress(requests.RequestException):
        bot.get("profit")
