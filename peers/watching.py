"""Two Hummingbot and two Freqtrade bots on one budget, for `sluicegate top` to look at.

    python -m peers.watching URL [--seconds SECONDS]

URL is that of a store. It starts a stand-in for Binance and the four bots, each in the environment
that `make test-peers` and `make test-freqtrade` make, and says when all of them run. They want more
than the exchange allows. The screen in `docs/watching.md` was taken so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from peers.freqtrade.bot import Bot, configuration
from sluicegate.testing import Market, StandInExchange, binance_spot
from tests.helpers.repository import ROOT

PAIRS = 12
LATENCY = (0.02, 0.25)


def hummingbot(url: str, share: str, seconds: float) -> subprocess.Popen[str]:
    """A bot that trades as soon as it is given a line."""
    words = [".venv-peers/bin/python", "-m", "peers.hummingbot.trading", url]
    return subprocess.Popen(
        [*words, "--drop-in", "--seconds", str(seconds)],
        env={**os.environ, "SLUICEGATE_SHARE": share},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def freqtrade(exchange: StandInExchange, share: str, folder: Path) -> Bot:
    """A bot with a trade open in each pair."""
    rules = [["rate", "GetTicker", 6, "1s", "delay"]]
    settings = {"hold": "response", "limits": rules}
    pairs = exchange.market.pairs
    config = configuration(
        folder, exchange.url, pairs, settings, initial_state="running", fiat_display_currency=""
    )
    words = [".venv-freqtrade/bin/python", "-m", "peers.freqtrade.program", str(folder)]
    return Bot(
        folder,
        config,
        command=[*words, "--trades", str(len(pairs))],
        environment={"SLUICEGATE_SHARE": share},
    )


def main() -> None:
    """Runs them for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("share", metavar="URL")
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args()
    os.chdir(ROOT)
    with ExitStack() as ends:
        exchange = ends.enter_context(
            StandInExchange(binance_spot(), market=Market.of_size(PAIRS), latency=LATENCY)
        )
        traders = [hummingbot(exchange.url, asked.share, asked.seconds) for _ in range(2)]
        for trader in traders:
            ends.enter_context(trader)
            ends.callback(trader.kill)
        bots = []
        for _ in range(2):
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
            bots.append(freqtrade(exchange, asked.share, folder))
        for bot in bots:
            bot.start()
        for bot in bots:
            ends.enter_context(bot)
        for trader in traders:
            assert trader.stdin is not None
            assert trader.stdout is not None
            trader.stdout.readline()
            print("go", file=trader.stdin, flush=True)
        print("all run", flush=True)
        time.sleep(asked.seconds)
        seen = exchange.statistics()
        print(f"answered {seen.accepted}, refused {seen.rejected + seen.banned}", flush=True)


if __name__ == "__main__":
    main()
