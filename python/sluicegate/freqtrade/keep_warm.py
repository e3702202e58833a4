"""Renewing the rates of open trades before they expire."""

from __future__ import annotations

import asyncio
import logging

from sluicegate.freqtrade.rates import Rates

log = logging.getLogger("sluicegate.freqtrade")

#: Seconds between two looks at what is due, at most; they cost microseconds.
_LONGEST = 5.0


class KeepWarm:
    """Looks every so often which rates are due, and has them renewed.

    It looks, rather than computing when to look next, because trades open and clocks are set.
    """

    def __init__(self, rates: Rates) -> None:
        """Nothing runs yet."""
        self._rates = rates
        settings = rates.settings
        self._interval = min(_LONGEST, settings.ttl / 20, settings.error_ttl / 20)

    async def run(self) -> None:
        """Renews what is due, until it is cancelled."""
        while True:
            pause = self._interval
            try:
                await self._rates.renew()
            except Exception:
                pause = self._rates.settings.error_ttl
                log.warning("could not renew rates; trying again in %g s", pause, exc_info=True)
            await asyncio.sleep(pause)
