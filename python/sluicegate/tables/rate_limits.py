"""A table's limits as rows for a client's `sluicegate.Throttler`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sluicegate.tables.limit import Limit
from sluicegate.tables.route import Route

if TYPE_CHECKING:
    from sluicegate import LinkedLimitWeightPair, RateLimit

NEVER_BINDING = 1_000_000_000
"""Own limit of an endpoint that costs nothing: a client's table has no endpoint without one."""


def pool(limit: Limit, limit_id: str) -> "RateLimit":
    """A limit as it stands, under an id."""
    return _row(limit, limit_id, ())


def request(route: Route) -> "RateLimit":
    """The id of a request, linked to the limits that it takes from."""
    from sluicegate import RateLimit

    links = [(name, units) for name, (_, units) in route.takes.items() if name != route.id]
    if route.own and route.own == route.id:
        return _row(route.takes[route.id][0], route.id, links, route.takes[route.id][1])
    first = next((limit for limit, _ in route.takes.values() if limit.interval), None)
    return RateLimit(
        route.id,
        # One unit a request: as many as the pool could pass if each cost but one.
        limit=first.limit if first else NEVER_BINDING,
        time_interval=first.interval if first else 1.0,
        linked_limits=_links(links),
    )


def all_of(route: Route) -> "list[RateLimit]":
    """The id of a request, and the pools that it takes from: what a throttler may not have yet."""
    pools = [pool(limit, name) for name, (limit, _) in route.takes.items() if name != route.id]
    return [*pools, request(route)]


def static(limits: Iterable[Limit], routes: Iterable[Route]) -> "list[RateLimit]":
    """One row for each limit, and one for each id."""
    rows = {limit.name: pool(limit, limit.name) for limit in limits}
    for route in routes:
        for name, (limit, _) in route.takes.items():
            if name != route.id and name not in rows:
                rows[name] = pool(limit, name)
        rows[route.id] = request(route)
    return list(rows.values())


def _row(
    limit: Limit, limit_id: str, links: Iterable[tuple[str, int]], weight: int = 1
) -> "RateLimit":
    from sluicegate import RateLimit

    return RateLimit(
        limit_id,
        limit=limit.limit,
        time_interval=limit.interval or 1.0,
        weight=weight,
        linked_limits=_links(links) or None,
        scope="address" if limit.scope == "address" else "account",
    )


def _links(links: Iterable[tuple[str, int]]) -> "list[LinkedLimitWeightPair]":
    from sluicegate import LinkedLimitWeightPair

    return [LinkedLimitWeightPair(name, units) for name, units in links]
