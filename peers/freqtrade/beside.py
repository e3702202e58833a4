"""A real Freqtrade beside others who use the same address, stock or with the drop-in.

    python -m peers.freqtrade.beside [--stock] [--seconds 70] [--others 0.35]

It has a trade open in each of 120 pairs and asks for their rates in each round, as fast as a user
can set it (`rateLimit` of 1 ms). The stand-in has Binance spot's published limits in windows of
full length, and others use a share of the weight all the time. Prints what the stand-in saw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.freqtrade.bot import bot_on
from sluicegate.testing import Market, StandInExchange, binance_spot

PAIRS = 120
WEIGHT = "REQUEST_WEIGHT"


def beside(stock: bool, seconds: float, others: float) -> dict[str, Any]:
    """What the exchange saw of a bot in so many seconds."""
    words = ("--stock",) if stock else ()
    with ExitStack() as ends:
        exchange = ends.enter_context(
            StandInExchange(
                binance_spot(minute=60),
                market=Market.of_size(PAIRS),
                latency=(0.002, 0.01),
                seed=1,
            )
        )
        exchange.set_others({WEIGHT: others})
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        settings = None if stock else {"keep_warm": False}
        bot = bot_on(
            exchange,
            folder,
            settings,
            *words,
            trades=PAIRS,
            initial_state="running",
            fiat_display_currency="",
        )
        ends.enter_context(bot)
        time.sleep(seconds)
        seen = exchange.statistics()
    return {
        "accepted": seen.accepted,
        "rejected": seen.rejected,
        "banned": seen.banned,
        "bans": seen.bans,
    }


def main() -> None:
    """Runs one bot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--others", type=float, default=0.35)
    asked = parser.parse_args()
    print(json.dumps(beside(asked.stock, asked.seconds, asked.others)))


if __name__ == "__main__":
    main()
