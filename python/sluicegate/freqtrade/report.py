"""The lines in the log: the cache's hits, and the delays by limits."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sluicegate.exchange.waits import Waits
from sluicegate.freqtrade.waiting import WaitLines

if TYPE_CHECKING:
    from sluicegate.freqtrade.rates import Rates

log = logging.getLogger("sluicegate.freqtrade")

#: Seconds between two lines about the limits, while requests wait or are kept from being sent.
LIMITS_INTERVAL = 60.0


def line(rates: Rates) -> str:
    """What the caches of a bot have done since it started."""
    stats = [cache.stats() for cache in (rates.entry, rates.exit)]
    hits = sum(one.hits for one in stats)
    reads = hits + sum(one.misses for one in stats)
    quotes = rates.quotes
    calls = quotes.calls + rates.own_calls
    text = (
        f"rates: {reads:,} asked for, {hits / reads if reads else 0:.1%} of them answered from the "
        f"cache; {calls:,} exchange call{'s' if calls != 1 else ''}"
    )
    saved = reads - calls
    if saved <= 0:
        return text
    text += f", {saved:,} saved"
    if quotes.calls:
        waiting = timedelta(seconds=round(saved * quotes.seconds / quotes.calls))
        text += f" (about {waiting} of waiting)"
    return text


async def report(rates: Rates, interval: float) -> None:
    """Logs the line every `interval` seconds, where it has changed, until it is cancelled."""
    last = line(rates)
    while True:
        await asyncio.sleep(interval)
        now = line(rates)
        if now != last:
            log.info("%s", now)
        last = now


def log_waits(waits: Waits, lines: WaitLines) -> None:
    """Logs what the limits have done since the last time; nothing if they have done nothing.

    Args:
        waits: What the rules of the config have delayed and refused.
        lines: What requests wait for, no matter who has set the limit.
    """
    summary, told = waits.take(), lines.take()
    if told:
        # Which of them wait now, and for what, is told by the other.
        summary = replace(summary, waiting=0)
    parts = [part for part in (str(summary), told) if part]
    if parts:
        level = logging.WARNING if summary.refused else logging.INFO
        log.log(level, "limits: %s", "; ".join(parts))


async def report_waits(waits: Waits, lines: WaitLines, interval: float = LIMITS_INTERVAL) -> None:
    """Logs every `interval` seconds what the limits have done, until it is cancelled."""
    while True:
        await asyncio.sleep(interval)
        log_waits(waits, lines)
