"""Which requests of a table go first, if several wait."""

from __future__ import annotations

from collections.abc import Mapping

from sluicegate.tables import Route

Priorities = Mapping[str, int] | bool
"""By a request's id, what the user says; ``False`` for all alike, ``True`` for the usual order."""

#: By the group of an endpoint. A request that the table does not know is in the middle.
BY_GROUP = {"cancel": 3, "order": 2, "account": 1, "": 1, "market": 0}


def priority_of(route: Route, priorities: Priorities) -> int:
    """The priority of a request: cancels, then orders, account questions and market data."""
    if priorities is False:
        return 0
    if priorities is not True and route.id in priorities:
        return priorities[route.id]
    return BY_GROUP[route.endpoint.group if route.endpoint is not None else ""]
