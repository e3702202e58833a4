"""Real Freqtrades at one address, beside others who use it, stock or with the drop-in.

    python -m peers.freqtrade.beside [--stock] [--bots 3] [--seconds 70] [--others 0.35]

Each has a trade open in each of 120 pairs, and a dashboard that looks at its trades each 5 s, as
FreqUI does. The stand-in has Binance spot's published limits in windows of full length, and others
use a share of the weight all the time. Prints what the stand-in saw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from peers.freqtrade.bot import Bot, bot_on
from sluicegate.testing import Market, StandInExchange, binance_spot

PAIRS = 120
WEIGHT = "REQUEST_WEIGHT"
LOOKS = 5.0
"""Seconds from one look of a dashboard to the next."""


def beside(
    stock: bool, seconds: float, others: float, bots: int = 1, pace: float | None = 1
) -> dict[str, Any]:
    """What the exchange saw of some bots in so many seconds.

    Args:
        stock: Without the drop-in.
        seconds: For how long, from when all of them run.
        others: The share of the weight that others use.
        bots: How many there are.
        pace: Milliseconds that ccxt leaves between two requests of weight 1; None for its own.
    """
    words = ("--stock",) if stock else ()
    over = threading.Event()
    with ExitStack() as ends:
        exchange = ends.enter_context(
            StandInExchange(
                binance_spot(minute=60),
                market=Market.of_size(PAIRS),
                latency=(0.02, 0.1),
                seed=1,
            )
        )
        if others:
            exchange.set_others({WEIGHT: others})
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        running = [
            bot_on(
                exchange,
                folder,
                None if stock else {"keep_warm": False},
                *words,
                trades=PAIRS,
                pace=pace,
                initial_state="running",
                fiat_display_currency="",
            )
            for _ in range(bots)
        ]
        for bot in running:
            bot.start()
        for bot in running:
            ends.enter_context(bot)
        ends.callback(over.set)
        for bot in running:
            threading.Thread(target=_look, args=(bot, over), daemon=True).start()
        time.sleep(seconds)
        seen = exchange.statistics()
        # Who is banned sleeps, and does not hear that it is to end.
        for bot in running:
            bot.kill()
    return {
        "accepted": seen.accepted,
        "rejected": seen.rejected,
        "banned": seen.banned,
        "bans": seen.bans,
        "too_early": seen.too_early,
    }


def _look(bot: Bot, over: threading.Event) -> None:
    """A dashboard."""
    while not over.is_set():
        for page in ("status", "profit"):
            try:
                bot.get(page)
            except requests.RequestException:
                # The bot ends, or its exchange refuses it.
                break
        over.wait(LOOKS)


def main() -> None:
    """Runs the bots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--bots", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--others", type=float, default=0.35)
    parser.add_argument("--pace", type=float, help="milliseconds; by default ccxt's own")
    asked = parser.parse_args()
    print(json.dumps(beside(asked.stock, asked.seconds, asked.others, asked.bots, asked.pace)))


if __name__ == "__main__":
    main()
