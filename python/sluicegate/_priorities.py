"""The classes of requests, and what users say of them: one place for all drop-ins."""

from __future__ import annotations

import difflib
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluicegate.tables import Route

Priorities = Mapping[str, int] | bool
"""What the user says, by id, or by method and path; ``False``: all alike; ``True``: as usual."""

VARIABLE = "SLUICEGATE_PRIORITIES"
"""The variable that turns the usual order off, with ``0``, ``off``, ``no`` or ``false``."""

#: By what a request is for. One that is not recognised is in the middle.
BY_GROUP = {"cancel": 3, "order": 2, "account": 1, "": 1, "market": 0}

_METHOD = re.compile(r"(GET|POST|PUT|DELETE|PATCH)(?![A-Z])[\s_-]*")
_METHOD_AND_PATH = re.compile(r"([A-Za-z]+)\s+(/\S*)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_QUESTION = _words(
    """
    active all by client debug detail details event events fetch fill fills get historical
    history info list match my open opened query realtime state status trades
    """
)
#: Those of them that an order itself is never named with.
_ASKED = _words("detail details history info query status")
_OPEN_ORDERS = re.compile(r"open[_-]?(?:stop[_-]?)?order", re.IGNORECASE)
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
    depth environments exchange funding fundings health index instrument instruments kline klines
    market markets ohlcv orderbook orderbooks pair pairs ping premium price prices product
    products public quotation rate rates records snapshot symbol symbols system ticker tickers
    time timestamp trade trades
    """
)


def chosen(priorities: Priorities = True) -> Priorities:
    """What holds: the user's words, or else what the environment leaves on.

    Words come back as `spelled` has them.

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
    words: dict[str, int] = {}
    for name, number in priorities.items():
        if not isinstance(name, str):
            raise TypeError(f'priorities must name requests, as "GET /depth", not {name!r}')
        word, must = spelled(name), "must be a whole number from -1000 to 1000"
        try:
            whole = operator.index(number) if not isinstance(number, bool) else None
        except TypeError:
            whole = None
        if whole is None:
            raise TypeError(f"the priority of {word!r} {must}, not {number!r}")
        if not -1000 <= whole <= 1000:
            raise ValueError(f"the priority of {word!r} {must}, not {number!r}")
        if words.setdefault(word, whole) != whole:
            raise ValueError(f"priorities has {word!r} twice: {words[word]} and {whole}")
    return words


def spelled(word: str) -> str:
    """A word in one spelling: ``"get  /depth/"`` is ``"GET /depth"``."""
    word = word.strip()
    found = _METHOD_AND_PATH.fullmatch(word)
    method, path = (f"{found[1].upper()} ", found[2]) if found else ("", word)
    return method + (path.rstrip("/") or path[:1])


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name that a misspelt word may have meant, in capitals or not; None if it is like none."""
    names = {name.lower(): name for name in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.lower(), names, 1)
    return names[found[0]] if found else None


def split_name(name: str) -> tuple[str, str]:
    """The method that the name of a limit begins with, and the path; of ``DELETEv1/order``, too."""
    found = _METHOD.match(name)
    if found is None or not (rest := name[found.end() :]):
        return "", name
    return found[1], rest if rest.startswith("/") else f"/{rest}"


def said_of(words: Mapping[str, int], name: str, method: str = "", path: str = "") -> int | None:
    """What the user's words say of a request; ``None`` if nothing.

    Its id counts first, then its path, and then the end of its path: ``"GET /depth"`` is said of
    ``GET /api/v3/depth``, too. The longer end counts, and a word with the method before one
    without.

    Args:
        words: As `chosen` has them.
        name: Its id.
        method: Such as ``GET``.
        path: Without a query.
    """
    if name in words:
        return words[name]
    for end in ends_of(path.rstrip("/")):
        for word in (f"{method} {end}", end):
            if word in words:
                return words[word]
    return None


def ends_of(path: str) -> Iterator[str]:
    """A path, and its ends: of ``/api/v3/depth`` these are ``/v3/depth`` and ``/depth``."""
    while path:
        yield path
        cut = path.find("/", 1)
        path = path[cut:] if cut > 0 else ""


def priority_of_route(priorities: Priorities, route: Route, method: str, path: str) -> int:
    """The priority of a request that a table has routed.

    Args:
        priorities: As `chosen` has them.
        route: Its id, and the entry of the table if there is one: that says what it is for.
        method: Of a request that the table does not know: its words say what it is for.
        path: The same.
    """
    if priorities is False:
        return 0
    endpoint, group = route.endpoint, ""
    if endpoint is not None:
        method, path, group = endpoint.method, endpoint.path, endpoint.group
    if priorities is not True:
        said = priorities.get(route.id)
        if said is None:
            said = said_of(priorities, endpoint.id if endpoint else "", method, path)
        if said is not None:
            return said
    return BY_GROUP[group or group_of_name(f"{method} {path}")]


@lru_cache(maxsize=1_000)
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
    if any("cancel" in word for word in words):
        return "account" if not words.isdisjoint({"get", "fetch", "query"}) else "cancel"
    if {"all", "open", "orders"} <= words and not method:
        return "cancel"
    if is_order:
        if method == "DELETE" or not words.isdisjoint({"delete", "remove"}):
            return "cancel"
        if method in ("", "GET"):
            is_question = method == "GET" or not words.isdisjoint(_QUESTION)
        else:
            # Some exchanges have everything of an account asked with POST.
            is_question = not words.isdisjoint(_ASKED) or _OPEN_ORDERS.search(name) is not None
        return "account" if is_question else "order"
    if not words.isdisjoint({"buy", "sell"}) and words.isdisjoint({"price", "prices", "public"}):
        return "order"
    if {"position", "close"} <= words or {"send", "transaction"} <= words or name == "/exchange":
        return "order"
    # Orders that belong to a position.
    stops = ({"stop", "loss"}, {"take", "profit"}, {"trading", "stop"}, {"tpsl"})
    if method in ("POST", "PUT") and any(stop <= words for stop in stops):
        return "order"
    # What was traded or paid before is the account's own, unless it is a rate.
    if "history" in words and words.isdisjoint({"rate", "rates"}):
        return "account"
    if not words.isdisjoint(_ACCOUNT):
        return "account"
    return "market" if not words.isdisjoint(_MARKET) else ""
