"""A real bot that `sluicegate run` has started: all its ccxt objects are on one exact budget."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from peers.freqtrade.bot import Bot, configuration, until
from peers.freqtrade.program import make_trades
from sluicegate.tables import Table
from sluicegate.testing import Market, StandInExchange, binance_spot
from sluicegate.testing.server_thread import ServerThread
from sluicegate.testing.tables import rolling

PAIRS = 40
WEIGHT = "REQUEST_WEIGHT"
#: The user's pace, and what it is in weight: ccxt has a unit for each 5. It is far less than a bot
#: asks for that nobody paces, on any machine: so one that keeps to it is held by it alone.
PACE = {"rateLimit": 250, "rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": 12_500}
MOST, SECONDS = 250, 12.5


class Streams:
    """A WebSocket server that takes every subscription, and never has news."""

    def __init__(self) -> None:
        """Nobody is connected."""
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serves on loopback."""
        app = web.Application()
        app.router.add_get("/ws/{tail:.*}", self._serve)
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}/ws"

    async def stop(self) -> None:
        """Serves no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = message.json()
                self.asked.append(asked)
                await socket.send_json({"result": None, "id": asked.get("id")})
        return socket


@pytest.fixture
def streams() -> Iterator[Streams]:
    made = Streams()
    thread = ServerThread(made)  # type: ignore[arg-type]  # it starts and stops as an exchange
    thread.start()
    thread.started.result()
    yield made
    thread.finish()


def bot_of_three_objects(folder: Path, exchange: StandInExchange, streams: Streams) -> Bot:
    """A bot with a trade open in each pair, which looks at all of them in each round."""
    config = configuration(
        folder,
        exchange.url,
        exchange.market.pairs,
        {"keep_warm": False},
        initial_state="running",
        fiat_display_currency="",
    )
    book = {"price_side": "same", "use_order_book": True, "order_book_top": 20}
    config |= {"entry_pricing": book, "exit_pricing": book}
    config["exchange"]["enable_ws"] = True
    config["exchange"]["ccxt_config"] |= PACE
    config["exchange"]["ccxt_async_config"] |= PACE
    api = config["exchange"]["ccxt_async_config"]["urls"]["api"]
    config["exchange"]["ccxt_async_config"]["urls"]["api"] = api | {"ws": {"spot": streams.url}}
    make_trades(config["db_url"], exchange.market.pairs, datetime.now(UTC))
    command = [sys.executable, "-m", "sluicegate", "run", "freqtrade", "trade"]
    command += ["--config", f"{folder}/config.json", "--userdir", str(folder)]
    return Bot(folder, config, command=command)


def strict() -> Table:
    """Binance's table, with the user's pace in the place of the limit of weight."""
    table = rolling(binance_spot(minute=60))
    limits = (
        replace(one, limit=MOST, interval=SECONDS, header="", headers=())
        if one.name == WEIGHT
        else one
        for one in table.limits
    )
    return replace(table, limits=tuple(limits))


def test_all_objects_together_never_exceed_the_limits(tmp_path: Path, streams: Streams) -> None:
    exchange = StandInExchange(
        strict(), market=Market.of_size(PAIRS), latency=(0.002, 0.01), seed=1
    )

    def used() -> int:
        limits = {one.name: one for one in exchange.statistics().limits}
        return limits[WEIGHT].worst_window

    with (
        exchange,
        bot_of_three_objects(tmp_path, exchange, streams) as bot,
        ThreadPoolExecutor(4) as callers,
    ):
        # Whoever looks at the bot has rates asked for by an object of sluicegate's own.
        looking = [callers.submit(bot.get, "profit") for _ in range(4)]
        until(lambda: used() > 0.95 * MOST, "the bot asks for as much as it may")
        until(lambda: "/api/v3/klines" in _paths(exchange), "candles were asked for")
        until(lambda: streams.asked, "the object for WebSockets has subscribed to candles")
        for one in looking:
            one.result()
        before = _asked(exchange)
        until(lambda: _asked(exchange) > before + 2 * PAIRS, "it has looked at all pairs twice")
        last = exchange.statistics()
    assert (last.rejected, last.banned) == (0, 0)
    assert all(one.worst_window <= one.limit for one in last.limits)
    # The synchronous object, the asynchronous one, and the one for rates.
    assert {"/api/v3/depth", "/api/v3/klines", "/api/v3/exchangeInfo"} <= _paths(exchange)


def _asked(exchange: StandInExchange) -> int:
    return sum(exchange.statistics().calls.values())


def _paths(exchange: StandInExchange) -> set[str]:
    return {name.partition(" ")[2] for name in exchange.statistics().calls}
