"""Which candles Binance's `klines` answers: the arithmetic of intervals, with no server.

Rules as Binance's REST documentation of `GET /api/v3/klines` has them: candles are told apart by
the instant at which they open; without `startTime` and `endTime`, the latest ones are answered. All
instants are milliseconds since 1970, in UTC.
"""

from datetime import datetime, timezone

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LENGTHS = {
    "1s": SECOND,
    **{f"{n}m": n * MINUTE for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": n * DAY for n in (1, 3)},
    "1w": 7 * DAY,
}
"""Milliseconds of each interval but the month, which has no one length."""
MONTH = "1M"
INTERVALS = (*LENGTHS, MONTH)
FIRST_MONDAY = 4 * DAY
"""1970 began on a Thursday, and Binance's weeks begin on Mondays."""


def span(
    interval: str, *, now: int, limit: int, start: int | None = None, end: int | None = None
) -> range:
    """The numbers of the candles to answer, oldest first; `opening` tells when each opens.

    Args:
        interval: One of `INTERVALS`.
        now: No candle opens after it.
        limit: Most candles: the first ones from `start` on, or the last ones if there is none.
        start: No candle opens before it.
        end: No candle opens after it.
    """
    last = _number(interval, now if end is None else min(now, end))
    if start is None:
        # None is older than the one that holds the beginning of 1970.
        first = max(last - limit + 1, _number(interval, 0))
    else:
        first = _number(interval, min(start, now + 1) - 1) + 1
        last = min(last, first + limit - 1)
    return range(first, last + 1)


def opening(interval: str, number: int) -> int:
    """When the candle of this number opens; it ends just before the next one opens."""
    if interval == MONTH:
        year, month = divmod(number, 12)
        return round(datetime(year, month + 1, 1, tzinfo=timezone.utc).timestamp()) * 1_000
    return number * LENGTHS[interval] + _offset(interval)


def _number(interval: str, instant: int) -> int:
    """The number of the candle that holds an instant; neighbours differ by 1."""
    if interval == MONTH:
        date = datetime.fromtimestamp(instant / 1_000, timezone.utc)
        return date.year * 12 + date.month - 1
    return (instant - _offset(interval)) // LENGTHS[interval]


def _offset(interval: str) -> int:
    return FIRST_MONDAY if interval == "1w" else 0
