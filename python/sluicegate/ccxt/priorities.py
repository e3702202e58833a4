"""Which requests go first, if several wait."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate._priorities import (
    BY_GROUP,
    Priorities,
    group_of_name,
    priority_of_route,
    said_of,
)
from sluicegate._unused_words import UnusedWords
from sluicegate.ccxt.table_of import tables_for
from sluicegate.tables import Route

MOST_KNOWN = 10_000
"""Paths whose priorities are kept."""


class RequestPriorities:
    """The priorities of requests, of which many have no table.

    Args:
        priorities: What the user says, as `chosen` has it.

    Attributes:
        unused: What warns of the user's words that name nothing; ``None`` where there are none.
    """

    def __init__(self, priorities: Priorities) -> None:
        """Nothing was asked yet."""
        self._priorities = priorities
        self._known: dict[tuple[str, str, str], int] = {}
        self._met: set[str] = set()
        self.unused = UnusedWords(priorities, _warn) if isinstance(priorities, Mapping) else None

    def meet(self, exchange: Any) -> None:
        """Hears of an exchange object, whose endpoints are names that the user may say."""
        if self.unused is None or exchange.id in self._met:
            return
        self._met.add(exchange.id)
        own = [*_endpoints(exchange.api)]
        tables = tables_for(exchange.id, "")
        endpoints = [one for table in tables for one in table.endpoints]
        own += [(endpoint.method, endpoint.path) for endpoint in endpoints]
        self.unused.know((endpoint.id for endpoint in endpoints), own)

    def of_route(self, route: Route, method: str = "", path: str = "") -> int:
        """The priority of a request that a table has routed; see `priority_of_route`."""
        return priority_of_route(self._priorities, route, method, path)

    def of_path(self, api: Any, method: str, path: str) -> int:
        """The priority of a request of which only ccxt's own path is known.

        Args:
            api: The section of ccxt's list of endpoints.
            method: ``GET``, ``POST``, …
            path: As ccxt has it, such as ``orders/{id}``.
        """
        section = api if isinstance(api, str) else ".".join(map(str, api or ()))
        key = (section, method, path)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                # Somebody writes values into paths.
                self._known.clear()
            plain = "/" + path.partition("?")[0].strip("/")
            found = self._known[key] = self._of_path(section.lower(), method.upper(), plain)
        return found

    def _of_path(self, section: str, method: str, path: str) -> int:
        if self._priorities is False:
            return 0
        if self._priorities is not True:
            said = said_of(self._priorities, "", method, path)
            if said is not None:
                return said
        return BY_GROUP[_group(section, method, path)]


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


_METHODS = ("get", "post", "put", "delete", "patch")


def _endpoints(api: Any) -> Iterator[tuple[str, str]]:
    """The methods and paths of ccxt's list of endpoints: sections, methods, and paths in these."""
    if not isinstance(api, Mapping):
        return
    for name, value in api.items():
        if name in _METHODS:
            # A list of paths, or what each costs.
            yield from ((name.upper(), "/" + str(path).strip("/")) for path in value)
        else:
            yield from _endpoints(value)


#: What orders are sent to where they are called trades.
_TRADES = frozenset({"/trade", "/trade/add", "/trade/place"})


def _group(section: str, method: str, path: str) -> str:
    found = group_of_name(f"{method} {path}")
    if "public" in section and "private" not in section:
        return found if found in ("order", "cancel") else "market"
    if method == "POST" and path.lower().replace("_", "/") in _TRADES:
        return "order"
    # What is sent, and not asked for, is no market data.
    return "" if found == "market" and method != "GET" else found
