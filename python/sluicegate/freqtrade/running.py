"""`Running`: all that sluicegate runs for one bot, from its start to its end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from sluicegate.freqtrade.fiat import FiatPrices
from sluicegate.freqtrade.keep_warm import keep_warm
from sluicegate.freqtrade.limits import Limits
from sluicegate.freqtrade.rates import Rates
from sluicegate.freqtrade.report import LIMITS_INTERVAL, line, log_waits, report, report_waits
from sluicegate.freqtrade.settings import Settings
from sluicegate.freqtrade.waiting import WaitLines

log = logging.getLogger("sluicegate.freqtrade")


class Running:
    """What belongs to one exchange of Freqtrade, and so to one bot.

    Attributes:
        settings: The user's.
        limits: On the ccxt objects, from the first of them on.
        rates: Once the exchange is complete.
        ccxt_arguments: With which Freqtrade has made its asynchronous ccxt object.
    """

    def __init__(self, settings: Settings) -> None:
        """For an exchange that is about to be made."""
        self.settings = settings
        self.limits = Limits(settings)
        self.rates: Rates | None = None
        self.ccxt_arguments: tuple[Any, ...] = ()
        self._fiat: list[FiatPrices] = []
        self._lines = WaitLines()

    def start(self, config: Mapping[str, Any], fiat: Iterable[FiatPrices]) -> None:
        """The bot is complete: begins everything that runs beside it.

        Args:
            config: Freqtrade's, of this bot.
            fiat: The converters' prices; they outlive the bot.
        """
        rates, settings = self.rates, self.settings
        if rates is None:
            return
        rates.note_open_trades()
        background = rates.background
        background.start(rates.prepare())
        if settings.keep_warm:
            background.start(keep_warm(rates))
        if settings.log_interval:
            background.start(report(rates, settings.log_interval))
            interval = _limits_interval(settings)
            background.start(report_waits(self.limits.waits, self._lines, interval))
        self._fiat = list(fiat)
        for prices in self._fiat:
            prices.start(config.get("stake_currency"), config.get("fiat_display_currency"))
        log.info("sluicegate keeps the rates: %s", settings)

    def close(self) -> None:
        """The bot is at its end, or the exchange was never completed."""
        # Once: an old bot's exchange may be collected when the next one has started them again.
        fiat, self._fiat = self._fiat, []
        for prices in fiat:
            prices.stop()
        if self.rates is not None and not self.rates.background.is_closed:
            if self.rates.background.is_running:
                log.info("%s", line(self.rates))
                log_waits(self.limits.waits, self._lines)
            self.rates.close()


def _limits_interval(settings: Settings) -> float:
    """Seconds: a shorter interval than the default counts for all lines."""
    return min(settings.log_interval, LIMITS_INTERVAL)
