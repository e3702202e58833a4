"""A bot of one side beside a stand-in exchange of its own, and how long its `/profit` takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from peers.freqtrade.bot import Bot, configuration
from peers.freqtrade.stand_in import StandIn
from sluicegate.testing import Market

TRADES = 120
ANSWER = 0.4
"""Seconds that an answer of the exchange takes."""

TTL = 300
"""Seconds for which a rate is good, here and there."""

PAIRS = Market.of_size(TRADES).pairs

SIDES = {
    "sluicegate": (),
    "stock": ("--stock",),
    "room": ("--stock", "--room"),
}
"""What the bot's program is told: Freqtrade with the drop-in, without, and with larger caches."""

_PATIENCE = 30.0


@dataclass(frozen=True)
class Seen:
    """What one measurement saw.

    Attributes:
        seconds: Until all who asked had their answer.
        calls: What the exchange was asked meanwhile.
        profit: What they were told.
    """

    seconds: float
    calls: int
    profit: float | None


class Trial:
    """A bot with an open trade on each of 120 pairs, as long as the block lasts.

    Args:
        side: One of `SIDES`.
        settings: The `sluicegate` section of its config.
    """

    def __init__(self, side: str, settings: Mapping[str, Any] | None = None) -> None:
        """Nothing runs yet."""
        self.exchange = StandIn(TRADES, ANSWER)
        self._words = SIDES[side]
        self._settings = settings
        self._ends = ExitStack()

    def __enter__(self) -> Trial:
        """Starts the bot, and waits until it has done what it does at its start."""
        with ExitStack() as ends:
            ends.enter_context(self.exchange)
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
            config = configuration(folder, self.exchange.url, PAIRS, self._settings)
            words = ("--trades", str(TRADES), "--coin-gecko", self.exchange.coin_gecko)
            self.bot = ends.enter_context(Bot(folder, config, *words, *self._words))
            self._ends = ends.pop_all()
        # The markets, CoinGecko, and with keep-warm all rates.
        time.sleep(3)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the bot, and the exchange."""
        self._ends.close()

    def profit(self, callers: int = 1) -> Seen:
        """Has so many callers ask for `/profit` at once."""
        self.exchange.forget_calls()
        with ThreadPoolExecutor(callers) as pool:
            began = time.perf_counter()
            answers = list(pool.map(lambda _: self.bot.get("profit"), range(callers)))
            seconds = time.perf_counter() - began
        return Seen(seconds, self.exchange.calls(), answers[0]["profit_all_coin"])

    def refill(self) -> None:
        """Has the bot ask for all rates anew, at an exchange that answers at once."""
        self.bot.shift(TTL + 1)
        self.exchange.take(0)
        self.profit()
        self.exchange.take(ANSWER)

    def delist(self, pairs: int) -> None:
        """Ends the trading of the last so many pairs, and has the bot find out.

        Its rates are from before; so they have to be too old first.
        """
        self.exchange.delist(list(PAIRS[-pairs:]))
        self.refill()

    def wait_in_silence(self, seconds: float) -> None:
        """Moves the clock, in steps after each of which keep-warm has a renewal to do.

        Rates are due with a fifth of their time left, so a step is a little longer than the rest.
        """
        steps = int(seconds / (0.85 * TTL))
        for _ in range(steps):
            self.exchange.forget_calls()
            self.bot.shift(seconds / steps)
            deadline = time.monotonic() + _PATIENCE
            while not self.exchange.calls():
                if time.monotonic() > deadline:
                    raise RuntimeError("nothing was renewed")
                time.sleep(0.05)
            # Calls are seen when they arrive; the answer is still under way.
            time.sleep(2 * ANSWER)
