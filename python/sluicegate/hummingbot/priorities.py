"""Which of a connector's requests go first, if several wait.

An id has one priority, whatever the method of a request: so the requests of one id leave in the
order in which they came, and no cancel overtakes an order to the same endpoint.

Nor does a cancel overtake its own order where the two have ids of their own. Many connectors cancel
by the id that the bot gave the order, whether the exchange has it already or not. An exchange that
gets the cancel first does not know the order, and some connectors take that for a cancelled one
(OKX's): the order would come later, and live on with nobody watching it. In these, orders have the
priority of cancels. Cancels go before orders in connectors that wait for the exchange's own id of
an order before they cancel it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

from sluicegate import limits as core
from sluicegate._priorities import BY_GROUP, Priorities, chosen, ends_of, group_of_name, spelled
from sluicegate.hummingbot.connector import connector_object

_present: Priorities | None = None


def use(priorities: Priorities | None) -> None:
    """What holds for throttlers that are made from now on; ``None`` for the usual order.

    Raises:
        TypeError: Of a wrong type.
        ValueError: A priority out of range.
    """
    global _present
    _present = None if priorities is None else chosen(priorities)


def present() -> Priorities:
    """What holds for a throttler that is made now."""
    return chosen() if _present is None else _present


def cancels_wait(connector: type) -> bool:
    """Whether a class is one of connectors that cancel no order before it was answered.

    Hummingbot's connectors await ``get_exchange_order_id`` where they need the exchange's id.
    """
    code: Any = getattr(getattr(connector, "_place_cancel", None), "__code__", None)
    return "get_exchange_order_id" in getattr(code, "co_names", ())


def priorities_of(
    limit_ids: Iterable[str], priorities: Priorities, *, cancels_wait: bool = False
) -> dict[str, int]:
    """The priority of each id of a table.

    Where no id is for cancels alone, they go by the ids for orders: these have their priority.

    Args:
        limit_ids: All ids of the table.
        priorities: The user's words: by id, or by method and id. Of several, the highest counts.
        cancels_wait: Whether no cancel can come before its order was answered. Otherwise orders
            have the priority of cancels.
    """
    if priorities is False:
        return {}
    groups = {limit_id: group_of_name(limit_id) for limit_id in limit_ids}
    if not cancels_wait or "cancel" not in groups.values():
        groups = {name: "cancel" if of == "order" else of for name, of in groups.items()}
    found = {name: BY_GROUP[group] for name, group in groups.items()}
    if priorities is not True:
        for name in found:
            found[name] = _said_of(priorities, name, found[name])
    return found


def _said_of(words: Mapping[str, int], limit_id: str, otherwise: int) -> int:
    """What the user's words say of an id, which may stand for several methods."""
    name = spelled(limit_id)
    method, _, path = name.partition(" ")
    if not path:
        method, path = "", name
    own = [words[name]] if name in words else []
    for end in ends_of(path):
        numbers = [
            number
            for word, number in words.items()
            if word == end or (word.endswith(f" {end}") and method in ("", word.split(" ")[0]))
        ]
        if own or numbers:
            return max(own + numbers)
    return max(own, default=otherwise)


Give = Callable[[Iterable[core.RateLimit]], dict[str, int]]
"""Gives each row of a gate its priority. Returns them by id, without those of 0."""


def giver(frame: FrameType | None) -> Give:
    """What gives the rows of a throttler that is made now their priorities.

    Args:
        frame: Where the throttler is made.
    """
    priorities, wait = present(), cancels_wait(type(connector_object(frame)))

    def give(rows: Iterable[core.RateLimit]) -> dict[str, int]:
        rows = list(rows)
        ids = (row.limit_id for row in rows)
        found = priorities_of(ids, priorities, cancels_wait=wait)
        for row in rows:
            row.priority = found.get(row.limit_id, 0)
        return {name: number for name, number in found.items() if number}

    return give
