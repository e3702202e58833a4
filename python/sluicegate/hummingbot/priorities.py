"""Which of a connector's requests go first, if several wait.

An id has one priority, whatever the method of a request: so the requests of one id leave in the
order in which they came, and no cancel overtakes an order to the same endpoint. A word for one
method therefore raises all of the id's requests, and never puts its orders and cancels behind where
they usually are.

Nor does a cancel overtake its own order where the two have ids of their own. Many connectors cancel
by the id that the bot gave the order, whether the exchange has it already or not. An exchange that
gets the cancel first does not know the order, and some connectors take that for a cancelled one
(OKX's): the order would come later, and live on with nobody watching it. In these, orders have the
priority of cancels. Cancels go before orders in connectors that wait for the exchange's own id of
an order before they cancel it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, NamedTuple

from sluicegate import limits as core
from sluicegate._priorities import (
    BY_GROUP,
    Priorities,
    chosen,
    ends_of,
    group_of_name,
    spelled,
    split_name,
)
from sluicegate._unused_words import UnusedWords
from sluicegate.hummingbot.connector import connector_object

log = logging.getLogger("sluicegate.hummingbot")

_present: Priorities | None = None
_unused: UnusedWords | None = None
_weaker: set[str] = set()
"""Words of which the log has said that they do not lower an id."""


def use(priorities: Priorities | None) -> None:
    """What holds for throttlers that are made from now on; ``None`` for the usual order.

    Raises:
        TypeError: Of a wrong type.
        ValueError: A priority out of range.
    """
    global _present, _unused
    _present = None if priorities is None else chosen(priorities)
    if _unused is not None:
        _unused.tell()
    _weaker.clear()
    _unused = UnusedWords(_present, log.warning) if isinstance(_present, Mapping) else None


def look() -> None:
    """Warns of words that name nothing, if all connectors should be known by now."""
    if _unused is not None:
        _unused.look()


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
        for name, usual in found.items():
            said = _said_of(priorities, name)
            found[name] = said.of(usual, groups[name])
            _tell_of_weaker(said, name, found[name])
    return found


class _Said(NamedTuple):
    """What the user's words say of an id.

    Attributes:
        whole: Of all its requests.
        methods: Of those with one method, where the id does not say which one it is for.
    """

    whole: list[int]
    methods: dict[str, int]

    def of(self, usual: int, group: str) -> int:
        numbers = [*self.whole, *self.methods.values()]
        # Of an id for orders, a word for one method leaves the requests of the others.
        if not self.whole and (not numbers or group in ("order", "cancel")):
            numbers.append(usual)
        return max(numbers)


def _tell_of_weaker(said: _Said, limit_id: str, priority: int) -> None:
    """Says of words for one method once that they do not put an id behind where it usually is."""
    if said.whole or max(said.methods.values(), default=priority) >= priority:
        return
    for word in said.methods.keys() - _weaker:
        _weaker.add(word)
        log.warning(
            "priorities: %r is %d, but the requests of %r keep %d, as they leave in the order in "
            "which they came, whatever their method. Say %r to move all of them",
            word,
            said.methods[word],
            limit_id,
            priority,
            limit_id,
        )


def _said_of(words: Mapping[str, int], limit_id: str) -> _Said:
    """What the user's words say of an id, which may stand for several methods."""
    name = spelled(limit_id)
    own = [words[name]] if name in words else []
    method, path = split_name(name)
    for end in ends_of(path):
        whole = [words[word] for word in (end, f"{method} {end}") if word in words and word != name]
        some = {word: number for word, number in words.items() if word.endswith(f" {end}")}
        methods = {} if method else some
        if own or whole or methods:
            return _Said(own + whole, methods)
    return _Said(own, {})


Give = Callable[[Iterable[core.RateLimit]], dict[str, int]]
"""Gives each row of a gate its priority. Returns them by id, without those of 0."""


def giver(frame: FrameType | None) -> Give:
    """What gives the rows of a throttler that is made now their priorities.

    Args:
        frame: Where the throttler is made.
    """
    priorities, wait = present(), cancels_wait(type(connector_object(frame)))
    unused = _unused

    def give(rows: Iterable[core.RateLimit]) -> dict[str, int]:
        rows = list(rows)
        ids = [row.limit_id for row in rows]
        found = priorities_of(ids, priorities, cancels_wait=wait)
        if unused is not None:
            unused.know(map(spelled, ids), (split_name(spelled(name)) for name in ids))
        for row in rows:
            row.priority = found.get(row.limit_id, 0)
        return {name: number for name, number in found.items() if number}

    return give
