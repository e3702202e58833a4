"""Which of a connector's requests go first, if several wait.

An id has one priority, whatever the method of a request: so the requests of one id leave in the
order in which they came, and no cancel overtakes an order to the same endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable

from sluicegate import limits as core
from sluicegate._priorities import BY_GROUP, Priorities, chosen, group_of_name

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


def priorities_of(limit_ids: Iterable[str], priorities: Priorities) -> dict[str, int]:
    """The priority of each id of a table.

    Where no id is for cancels alone, they go by the ids for orders: these have their priority.

    Args:
        limit_ids: All ids of the table.
        priorities: The user's words: by id, or by method and id. Of several, the highest counts.
    """
    if priorities is False:
        return {}
    groups = {limit_id: group_of_name(limit_id) for limit_id in limit_ids}
    if "cancel" not in groups.values():
        groups = {name: "cancel" if of == "order" else of for name, of in groups.items()}
    found = {name: BY_GROUP[group] for name, group in groups.items()}
    if priorities is not True:
        said: dict[str, int] = {}
        for word, number in priorities.items():
            method, _, rest = word.partition(" ")
            name = word if word in found or not method.isupper() else rest
            said[name] = max(number, said.get(name, number))
        found.update((name, number) for name, number in said.items() if name in found)
    return found


def give(rows: Iterable[core.RateLimit], priorities: Priorities) -> dict[str, int]:
    """Gives each row of a gate its priority. Returns them by id, without those of 0."""
    rows = list(rows)
    found = priorities_of((row.limit_id for row in rows), priorities)
    for row in rows:
        row.priority = found.get(row.limit_id, 0)
    return {name: number for name, number in found.items() if number}
