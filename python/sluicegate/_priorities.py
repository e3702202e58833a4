"""The classes of requests, and what users say of them: one place for all drop-ins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

Priorities = Mapping[str, int] | bool
"""By a request's id, what the user says; ``False`` for all alike, ``True`` for the usual order."""

VARIABLE = "SLUICEGATE_PRIORITIES"
"""The variable that turns the usual order off, with ``0``, ``off``, ``no`` or ``false``."""

#: By what a request is for. One that is not recognised is in the middle.
BY_GROUP = {"cancel": 3, "order": 2, "account": 1, "": 1, "market": 0}

_METHOD = re.compile(r"(GET|POST|PUT|DELETE|PATCH)(?![A-Z])[\s_-]*")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_QUESTION = _words(
    """
    active all by client debug detail details event events fetch fill fills get historical
    history info list match my open opened query realtime state status trades
    """
)
_ACCOUNT = _words(
    """
    account accounts accumulated addresses assets auth authenticate balance balances
    capital collateral collaterals commission execution fee fees fill fills income key
    leverage listen login me my mytrades payment payments pnl portfolio portfoliobalance
    position positions private query risk session token transaction transactions user
    wallet wallets websocket websockets whoami ws wss
    """
)
_MARKET = _words(
    """
    asset book books candle candles config contract contracts currencies currency deep
    depth environments exchange funding health index instrument instruments kline klines
    market markets orderbook orderbooks pair pairs ping premium price prices product
    products public quotation rate rates snapshot symbol symbols system ticker tickers
    time timestamp trade trades
    """
)


def chosen(priorities: Priorities = True) -> Priorities:
    """What holds: the user's words, or else what the environment leaves on.

    Raises:
        TypeError: Neither words nor a switch, or a priority that is no whole number.
        ValueError: A priority out of range.
    """
    if isinstance(priorities, bool):
        off = os.environ.get(VARIABLE, "").strip().lower() in ("0", "off", "no", "false")
        return priorities and not off
    if not isinstance(priorities, Mapping):
        raise TypeError(
            f'priorities must be True, False, or numbers by id, as {{"GET /depth": 3}}, not '
            f"{priorities!r}"
        )
    for name, number in priorities.items():
        must = f"the priority of {name!r} must be a whole number from -1000 to 1000, not {number!r}"
        if not isinstance(name, str) or isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(must)
        if not -1000 <= number <= 1000:
            raise ValueError(must)
    return dict(priorities)


def group_of_name(name: str) -> str:
    """What requests of this name are for, by its words; ``""`` if that is not recognised.

    A name may begin with the HTTP method: ``"DELETE /order"`` is a cancel.
    """
    name = name.replace("openApi", "")
    found = _METHOD.match(name)
    method = found.group(1) if found else ""
    words = {word.lower() for word in _WORD.findall(name[found.end() :] if found else name)}
    is_book = not words.isdisjoint({"orderbook", "orderbooks", "book", "books"})
    is_order = not is_book and any("order" in word for word in words)
    if any("cancel" in word for word in words) or {"all", "open", "orders"} <= words:
        return "cancel"
    if is_order:
        if method == "DELETE" or "delete" in words:
            return "cancel"
        is_question = method == "GET" or not words.isdisjoint(_QUESTION)
        return "account" if is_question and method in ("", "GET") else "order"
    if {"position", "close"} <= words or {"send", "transaction"} <= words or name == "/exchange":
        return "order"
    # What was traded or paid before is the account's own, unless it is a rate.
    if "history" in words and words.isdisjoint({"rate", "rates"}):
        return "account"
    if not words.isdisjoint(_ACCOUNT):
        return "account"
    return "market" if not words.isdisjoint(_MARKET) else ""
