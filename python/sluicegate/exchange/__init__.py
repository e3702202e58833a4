"""``exchange.IO("rate" | "quota", …)`` on any exchange object, as FMZ strategies write it.

>>> from sluicegate.exchange import limit
>>> class Exchange:
...     def GetTicker(self, symbol):
...         return {"Symbol": symbol, "Last": 50000.0}
>>> exchange = limit(Exchange())
>>> exchange.IO("rate", "GetTicker", 1, "1h")
>>> exchange.GetTicker("BTC_USDT")
{'Symbol': 'BTC_USDT', 'Last': 50000.0}
>>> exchange.GetTicker("BTC_USDT") is None
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sluicegate._core import HummingbotThrottler, Throttler, check_timezone
from sluicegate.exchange.added_limits import add_limit
from sluicegate.exchange.book import Book
from sluicegate.exchange.names import ALIASES, FUNCTIONS
from sluicegate.exchange.proxy import LimitedExchange, wrap

__all__ = [
    "ALIASES",
    "FUNCTIONS",
    "LimitedExchange",
    "add_limit",
    "limit",
    "limit_all",
]


def limit(
    exchange: Any,
    *,
    names: Mapping[str, str] | None = None,
    hold: Literal["start", "response"] | None = None,
    throttler: Throttler | None = None,
    timezone: str | None = None,
    asynchronous: bool | None = None,
    refusal: type[Exception] | None = None,
) -> LimitedExchange:
    """Gives an exchange object ``IO("rate" | "quota", names, max_calls, period[, behavior])``.

    The object itself is not changed. What comes back is the object in everything else: attributes,
    results, exceptions, ``repr``, ``isinstance``; setting an attribute sets the object's.

    Args:
        exchange: An FMZ-style object (``GetTicker``), a ccxt exchange (``fetch_ticker``),
            synchronous or asynchronous, or any other object.
        names: For other objects, functions by the names of the methods that call them:
            ``{"price": "GetTicker", "place": "CreateOrder"}``.
        hold: From when a call counts: ``"start"``, when it is sent, as on FMZ; ``"response"``,
            until one period after it was answered, so that the server never sees more than the
            limit. By default ``"start"``, or what ``throttler`` does.
        throttler: Where the limits are kept: several exchanges with the same throttler share its
            rules, and one budget for each. By default each has its own. Hummingbot's cannot be
            used: it has a method ``IO`` for limits of the user's own.
        timezone: The IANA name of the time zone in which quotas are aligned; ``None`` for the
            machine's.
        asynchronous: Whether the object's functions give awaitables; ``None`` to look at each.
        refusal: A class of exceptions, such as ``ccxt.RateLimitExceeded``: a call that is not sent
            raises one, made with the message of `last_error`, for a program that expects that.
            ``None`` for FMZ's way, where it returns ``None``.

    Raises:
        ValueError: A ``hold`` that is not the throttler's, a time zone or a method that does not
            exist.
        TypeError: Something of the wrong type.
    """
    if timezone is not None:
        check_timezone(timezone)
    if throttler is None:
        throttler = Throttler([], hold=hold or "start")
        book = Book(throttler)
    elif isinstance(throttler, HummingbotThrottler):
        raise TypeError(
            "throttler must be a sluicegate.Throttler, not Hummingbot's "
            f"{type(throttler).__name__}, whose share, margin and tables would change the rules: "
            "leave it out, or limit Hummingbot's own requests with throttler.IO(…)"
        )
    elif not isinstance(throttler, Throttler):
        raise TypeError(f"throttler must be a sluicegate.Throttler, not {throttler!r}")
    elif hold not in (None, throttler.hold):
        raise ValueError(
            f"hold must be {throttler.hold!r}, as the throttler's is, or left out, not {hold!r}"
        )
    else:
        book = Book.of(throttler)
    if refusal is not None and not _is_exception(refusal):
        raise TypeError(f"refusal must be a class of exceptions or None, not {refusal!r}")
    return wrap(exchange, names, book, throttler.hold, timezone, asynchronous, refusal)


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def limit_all(
    exchanges: Iterable[Any], rules: Iterable[Sequence[Any]], **options: Any
) -> list[LimitedExchange]:
    """Limits several objects of one account, such as a bot's synchronous and asynchronous ccxt.

    Args:
        exchanges: The objects. They share one budget for each rule.
        rules: What ``IO`` is to be given: ``[["rate", "GetTicker", 10, "1s", "delay"], …]``.
        **options: As `limit` takes them.

    Returns:
        The limited objects, in the same order.

    Raises:
        ValueError: A rule that cannot be. The message shows it.
        TypeError: A rule that is no list, or has something of the wrong type in it.
    """
    options.setdefault("throttler", Throttler([], hold=options.get("hold") or "start"))
    limited = [limit(exchange, **options) for exchange in exchanges]
    for number, rule in enumerate(rules, start=1):
        if isinstance(rule, str) or not isinstance(rule, Sequence) or not rule:
            raise TypeError(
                f"rule {number} must be a list such as ['rate', 'GetTicker', 10, '1s', 'delay'], "
                f"not {rule!r}"
            )
        if rule[0] not in ("rate", "quota"):
            raise ValueError(f"rule {number} must begin with 'rate' or 'quota', not {rule[0]!r}")
        for exchange in limited:
            try:
                exchange.IO(*rule)
            except (TypeError, ValueError) as error:
                raise type(error)(f"rule {number}, {list(rule)!r}: {error}") from error
    return limited
