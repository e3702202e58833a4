"""The stand-in exchange with what makes trouble, and a real `BinanceExchange` at it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from sluicegate.tables import load
from sluicegate.testing import StandInExchange, Statistics

MINUTE = 6.0
"""Seconds that the stand-in's minute takes: ten times as fast as Binance's."""

HANDLERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/v3/account"): lambda _: {
        "balances": [{"asset": "USDT", "free": "1000", "locked": "0"}]
    },
    ("GET", "/api/v3/myTrades"): lambda _: [],
}


@dataclass(frozen=True)
class Trouble:
    """What a run is made difficult with.

    Attributes:
        seconds: How long the bot trades.
        latency: The shortest and the longest, in seconds.
        dropped: The share of requests whose connection is closed without an answer.
        others: The share of the weight that others use.
        before: Whether the weight is used up at the bot's start, as by itself before a restart.
        minute: Seconds of the stand-in's minute.
        program: What the bot does: a module beside this one.
    """

    seconds: float
    latency: tuple[float, float] = (0.02, 0.25)
    dropped: float = 0.0
    others: float = 0.0
    before: bool = False
    minute: float = MINUTE
    program: str = "trading"


async def run(
    trouble: Trouble, *, drop_in: bool, python: str = sys.executable
) -> tuple[Statistics, dict[str, Any]]:
    """What the exchange saw of one bot, which runs in this Python, and what the bot tells."""
    table = load("binance-spot").scaled(trouble.minute)
    async with StandInExchange(
        table, latency=trouble.latency, seed=7, handlers=HANDLERS
    ) as exchange:
        if trouble.dropped:
            exchange.fail(drop=True, share=trouble.dropped, seed=7)
        if trouble.others:
            exchange.set_others({"REQUEST_WEIGHT": trouble.others})
        words = [python, "-m", f"peers.hummingbot.{trouble.program}", exchange.url]
        words += ["--minute", str(trouble.minute), "--seconds", str(trouble.seconds)]
        bot = await asyncio.create_subprocess_exec(
            *words,
            *["--drop-in"] * drop_in,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert bot.stdout is not None
        await bot.stdout.readline()
        if trouble.before:
            await _use_up(exchange.url, trouble.minute)
        told, errors = await bot.communicate(b"go\n")
        if bot.returncode:
            raise RuntimeError(errors.decode()[-4_000:])
        return exchange.statistics(), json.loads(told.splitlines()[-1])


async def _use_up(url: str, minute: float) -> None:
    """Uses the whole weight at the beginning of a minute: 300 requests of 20 each."""
    await asyncio.sleep(minute - time.time() % minute + 0.2)
    async with aiohttp.ClientSession() as session:

        async def ask() -> None:
            async with session.get(f"{url}/api/v3/exchangeInfo") as answer:
                await answer.read()

        await asyncio.gather(*(ask() for _ in range(300)))
