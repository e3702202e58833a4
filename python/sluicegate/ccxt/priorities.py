"""Which requests go first, if several wait."""

from __future__ import annotations

from typing import Any

from sluicegate._priorities import (
    BY_GROUP,
    Priorities,
    group_of_name,
    priority_of_route,
    said_of,
)
from sluicegate.tables import Route

MOST_KNOWN = 10_000
"""Paths whose priorities are kept."""


class RequestPriorities:
    """The priorities of requests, of which many have no table.

    Args:
        priorities: What the user says, as `chosen` has it.
    """

    def __init__(self, priorities: Priorities) -> None:
        """Nothing was asked yet."""
        self._priorities = priorities
        self._known: dict[tuple[str, str, str], int] = {}

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


def _group(section: str, method: str, path: str) -> str:
    found = group_of_name(f"{method} {path}")
    if "public" in section and "private" not in section:
        return found if found in ("order", "cancel") else "market"
    # What is sent, and not asked for, is no market data: `POST trade` is an order of some.
    return "" if found == "market" and method != "GET" else found
