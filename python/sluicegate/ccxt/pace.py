"""`Pace`: what ccxt's own `rateLimit` and costs allow, as a limit.

ccxt means by ``rateLimit`` the milliseconds that one unit of cost takes, on average. By
``rollingWindowSize`` it means the milliseconds of the window in which its other algorithm counts
(ccxt's manual, "Rate Limit").
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from sluicegate import LinkedLimitWeightPair, RateLimit

#: Costs of ccxt may be fractions, such as 0.2: one unit of cost is so many units of a limit.
UNIT = 1_000_000


class Pace(NamedTuple):
    """At most so many units in any window of so many milliseconds.

    The smallest of two is the faster one.

    Attributes:
        rate_limit: Milliseconds that a unit of cost takes, on average.
        window: Milliseconds.
        units: Units of the limit that fit in a window (see `UNIT`).
    """

    rate_limit: float
    window: float
    units: int

    @classmethod
    def of(cls, exchange: Any) -> Pace | None:
        """What an exchange object asks for now; ``None`` if it asks for no pace."""
        return cls.read(
            exchange.rateLimit,
            exchange.tokenBucket,
            getattr(exchange, "rateLimiterAlgorithm", None),
            getattr(exchange, "rollingWindowSize", None),
        )

    @classmethod
    def read(
        cls,
        rateLimit: float | None,  # noqa: N803
        tokenBucket: dict[str, Any] | None,  # noqa: N803
        rateLimiterAlgorithm: str | None,  # noqa: N803
        rollingWindowSize: float | None,  # noqa: N803
    ) -> Pace | None:
        """What ccxt's settings mean.

        A second is the window where they name no other: at most 1000 / ``rateLimit`` units in it.
        If a unit takes longer than that, its own time is the window, with one unit in it.

        Raises:
            TypeError: One of them is no number.
        """
        refill = made_of = window = None
        if isinstance(tokenBucket, dict):
            refill, made_of = tokenBucket.get("refillRate"), tokenBucket.get("rateLimit")
        if rateLimiterAlgorithm not in (None, "leakyBucket"):
            # ccxt looks at the size of the window for the other algorithm alone.
            window = _number("rollingWindowSize", rollingWindowSize)
        return _pace(
            _number("rateLimit", rateLimit),
            _number('tokenBucket["refillRate"]', refill),
            _number('tokenBucket["rateLimit"]', made_of),
            window,
        )

    def rate_limit_for(self, limit_id: str, others: list[str]) -> RateLimit:
        """The limit, of which each request takes as many units as it costs.

        Args:
            limit_id: Its name.
            others: The limits that each request takes one from for each cost as well. Those of the
                same exchange and address that are faster are among them: the exchange counts all
                together.
        """
        return RateLimit(
            limit_id,
            limit=self.units,
            time_interval=self.window / 1000,
            linked_limits=[LinkedLimitWeightPair(name) for name in others],
            scope="address",
        )


def _number(name: str, value: Any) -> float | None:
    """A setting of ccxt's as a number; ``None`` if it is not set."""
    if value is None or isinstance(value, int | float):
        return value
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name} must be a number, as in ccxt, not {value!r}")


@lru_cache(maxsize=1024)
def _pace(
    rate_limit: float | None,
    refill: float | None,
    made_of: float | None,
    window: float | None,
) -> Pace | None:
    # ccxt fills a bucket from `rateLimit`, unless the user has given one that fills otherwise.
    # Older versions do not say what they made a bucket of: there the slower one stands.
    if refill and refill != _refill(rate_limit):
        if made_of is None:
            rate_limit = max(rate_limit or 0, 1 / refill)
        elif refill != _refill(made_of):
            rate_limit = 1 / refill
    if not rate_limit or not 0 < rate_limit < math.inf:
        return None
    window = max(window or 1000.0, float(rate_limit))
    return Pace(float(rate_limit), window, max(1, math.floor(window / rate_limit * UNIT)))


def _refill(rate_limit: float | None) -> float | None:
    return 1 / rate_limit if rate_limit else None


def paced(limit_id: str, most: int, cost: float) -> tuple[str, int, int, int]:
    """What a cost of ccxt takes of a pace: never less than it says.

    More than fits in a window takes whole windows before.

    Args:
        limit_id: The pace's limit.
        most: Its units in a window.
        cost: As ccxt has it; more than 0.

    Returns:
        The id, and the units of the request; before it, how many windows, and the units of each.
    """
    units = math.ceil(cost * UNIT)
    if units <= most:
        return limit_id, units, 0, 0
    windows = (units - 1) // most
    return limit_id, units - windows * most, windows, most
