"""Which requests of a table go first, if several wait."""

from __future__ import annotations

from sluicegate._priorities import BY_GROUP, Priorities
from sluicegate.tables import Route


def priority_of(route: Route, priorities: Priorities) -> int:
    """The priority of a request: cancels, then orders, account questions and market data."""
    if priorities is False:
        return 0
    if priorities is not True and route.id in priorities:
        return priorities[route.id]
    return BY_GROUP[route.endpoint.group if route.endpoint is not None else ""]
