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
from sluicegate._priorities import Priorities
from sluicegate.exchange.added_limits import add_limit
from sluicegate.exchange.book import Book
from sluicegate.exchange.names import ALIASES, FUNCTIONS
from sluicegate.exchange.proxy import LimitedExchange, wrap
from sluicegate.share import Share

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
    share: str | Share | None = None,
    priorities: Priorities = True,
) -> LimitedExchange:
    """Adds ``IO("rate" | "quota", names, max_calls, period[, behavior])`` to an exchange object.

    It does not change the object. It returns a new object that behaves like it in everything else:
    it has the same attributes, results, exceptions and ``repr``, and ``isinstance`` is true for the
    same classes. An attribute that is set on it is set on your object.

    Args:
        exchange: An object in FMZ's style (``GetTicker``), a synchronous or asynchronous ccxt
            exchange (``fetch_ticker``), or any other object.
        names: For other objects: which method is which function, such as
            ``{"price": "GetTicker", "place": "CreateOrder"}``.
        hold: How long a call counts. ``"start"``, as on FMZ: one period from the moment at which it
            is sent. ``"response"``: until one period after its answer, so that the exchange never
            sees more than the limit. The default is ``"start"``, or the ``hold`` of ``throttler``.
        throttler: A `Throttler` that keeps the limits. Objects with the same throttler share its
            rules and limits. By default each object has its own. The throttler for Hummingbot
            cannot be used here: it has its own method ``IO``.
        timezone: The IANA name of the time zone of quotas, such as ``"Asia/Shanghai"``. The default
            is ``None``: the time zone of the machine.
        asynchronous: Whether the functions of the object return awaitables. The default is
            ``None``: sluicegate looks at each function.
        refusal: The class of the exception that a call raises if it is not sent, such as
            ``ccxt.RateLimitExceeded``. Its message is that of ``last_error``. The default is
            ``None``: the call returns ``None``, as on FMZ.
        share: Where the rules are shared with other processes: the address of a store, or a
            `Share`. Objects with the same store and the same account have one budget for rules
            with the same mode and the same names, in whichever process they are. So give each
            exchange an account of its own: ``Share(url, account="binance main")``. With
            ``throttler``, share that.
        priorities: Which of several waiting calls goes first. By default cancels, then orders, then
            account questions, then market data, unless ``SLUICEGATE_PRIORITIES=0`` is in the
            environment. ``{"GetDepth": 3}`` gives a function a priority of its own, by any of its
            names (a whole number, higher first; the usual ones are 0 to 3). ``False``: all in the
            order in which they came.

    Returns:
        The object with ``IO``, ``Go`` and ``last_error``.

    Raises:
        ValueError: ``hold`` is not the one of ``throttler``, or a time zone or a method does not
            exist, or both ``throttler`` and ``share`` are given; or a priority is out of range, or
            names no function.
        TypeError: A value has the wrong type.
        StoreError: The store of ``share`` cannot be used.

    Examples:
        >>> exchange = limit(Exchange())
        >>> exchange.IO("rate", "GetTicker", 10, "1s")
    """
    if exchange is None or isinstance(exchange, str | bytes | int | float | type):
        raise TypeError(
            f"exchange must be an exchange object, such as ccxt.binance(), not {exchange!r}"
        )
    if timezone is not None:
        check_timezone(timezone)
    if throttler is not None and share is not None:
        raise ValueError(
            "share and throttler cannot both be given: share the throttler, with "
            "Throttler([], hold='start', share=…)"
        )
    if throttler is None:
        throttler = Throttler([], hold=hold or "start", share=share)
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
    hold = throttler.hold
    return wrap(exchange, names, book, hold, timezone, asynchronous, refusal, priorities)


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def limit_all(
    exchanges: Iterable[Any], rules: Iterable[Sequence[Any]], **options: Any
) -> list[LimitedExchange]:
    """Limits several objects of one account, such as a bot's synchronous and asynchronous ccxt.

    Args:
        exchanges: The objects. They share each rule and its limit.
        rules: The arguments of ``IO`` for each rule:
            ``[["rate", "GetTicker", 10, "1s", "delay"], …]``.
        **options: The options of `limit`.

    Returns:
        The limited objects, in the same order.

    Raises:
        ValueError: A rule has a wrong value. The message shows it and says what would be right.
        TypeError: A rule is not a list, or a value in it has the wrong type.
    """
    if options.get("throttler") is None:
        share = options.pop("share", None)
        options["throttler"] = Throttler([], hold=options.get("hold") or "start", share=share)
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
