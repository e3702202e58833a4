"""A table's limits as rows for a client's `sluicegate.Throttler`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sluicegate.tables.limit import Limit
from sluicegate.tables.route import Route

if TYPE_CHECKING:
    from sluicegate import LinkedLimitWeightPair, RateLimit


def pool(limit: Limit, limit_id: str) -> "RateLimit":
    """A limit as it stands, under an id."""
    return _row(limit, limit_id, ())


def request(route: Route) -> "RateLimit":
    """The id of a request, linked to the limits that it takes from."""
    from sluicegate import RateLimit

    links = [(name, units) for name, (_, units) in route.takes.items() if name != route.id]
    if route.own and route.own == route.id:
        return _row(route.takes[route.id][0], route.id, links, route.takes[route.id][1])
    return RateLimit(route.id, limit=None, linked_limits=_links(links) or None)


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
        time_interval=limit.interval or None,
        weight=weight,
        linked_limits=_links(links) or None,
        kind=limit.kind,  # type: ignore[arg-type]
        # Keys of one account share what is meant for each: that is less than they may use.
        scope="address" if limit.scope == "address" else "account",
    )


def _links(links: Iterable[tuple[str, int]]) -> "list[LinkedLimitWeightPair]":
    from sluicegate import LinkedLimitWeightPair

    return [LinkedLimitWeightPair(name, units) for name, units in links]
