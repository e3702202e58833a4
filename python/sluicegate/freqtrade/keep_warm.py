"""`keep_warm`: the task that renews the rates of open trades before they expire."""

from __future__ import annotations

import asyncio
import logging

from sluicegate.freqtrade.rates import Rates

log = logging.getLogger("sluicegate.freqtrade")

#: Seconds between two checks of what is due, at most; they cost microseconds.
_LONGEST = 5.0


async def keep_warm(rates: Rates) -> None:
    """Renews the rates that are due, at regular checks, until it is cancelled.

    It checks, rather than computing the next instant, because trades open and clocks are set. While
    the exchange does not answer it asks less and less often, down to once in a TTL.
    """
    settings = rates.settings
    interval = min(_LONGEST, settings.ttl / 20, settings.error_ttl / 20)
    pause = interval
    while True:
        try:
            well = await rates.renew()
        except Exception:
            log.warning("could not renew rates", exc_info=True)
            well = False
        pause = interval if well else min(max(2 * pause, settings.error_ttl), settings.ttl)
        await asyncio.sleep(pause)
