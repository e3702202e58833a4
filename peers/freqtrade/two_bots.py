"""Two real Freqtrades beside one stand-in exchange, for `make bench-share`.

    python -m peers.freqtrade.two_bots [--share URL] [--calls N]

Both have a trade open in each of 12 pairs, and the rule that tickers are asked for at most 6 times
a second. What arrives above that is counted as refused.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.freqtrade.bot import Bot, configuration, until
from sluicegate.testing import Market, StandInExchange

TICKERS = "/api/v3/ticker/24hr"
PAIRS, MOST = 12, 6


def both(share: str | None, calls: int) -> dict[str, Any]:
    """Two bots, as processes of their own, until the exchange was asked so often."""
    rules = [["rate", "fetch_ticker", MOST, "1s", "delay"]]
    settings = {"keep_warm": False, "hold": "response", "limits": rules}
    if share:
        settings["share"] = share
    with ExitStack() as ends:
        exchange = ends.enter_context(StandInExchange(market=Market.of_size(PAIRS)))

        def arrivals() -> list[float]:
            return sorted(call.at for call in exchange.calls(TICKERS) if len(call.symbols) == 1)

        bots = []
        for _ in range(2):
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
            config = configuration(
                folder,
                exchange.url,
                exchange.market.pairs,
                settings,
                initial_state="running",
                fiat_display_currency="",
            )
            bots.append(Bot(folder, config, "--trades", str(PAIRS)))
        for bot in bots:
            bot.start()
        for bot in bots:
            ends.enter_context(bot)
        until(lambda: len(arrivals()) >= calls, f"{calls} tickers were asked for")
    seen = arrivals()
    worst = max(sum(at - 1 < other <= at for other in seen) for at in seen)
    over = sum(late - early < 1 for early, late in zip(seen, seen[MOST:], strict=False))
    return {
        "accepted": len(seen) - over,
        "rejected": over,
        "worst": worst,
        "limit": MOST,
        "wanted": calls,
        "answered": len(seen),
    }


def main() -> None:
    """Runs both bots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share")
    parser.add_argument("--calls", type=int, default=120)
    asked = parser.parse_args()
    print(json.dumps(both(asked.share, asked.calls)))


if __name__ == "__main__":
    main()
