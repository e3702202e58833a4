"""`keep`: a throttler knows the ids that are made from requests, and forgets those of long ago."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sluicegate.tables.rate_limits import all_of
from sluicegate.tables.route import Route
from sluicegate.tables.telling import has

if TYPE_CHECKING:
    from sluicegate import Throttler

MOST = 2_000
"""So many ids are kept that count nothing by themselves. An order for several instruments has one
for each set of them, so that there is no end of these. Those that count have one for each key."""

_made: "WeakKeyDictionary[Throttler, dict[str, None]]" = WeakKeyDictionary()
"""What each throttler has of them, the one that was asked for last at the end."""


def keep(throttler: "Throttler", route: Route) -> None:
    """Has a throttler know an id. If there are too many, it forgets those not asked for lately.

    Args:
        throttler: The throttler.
        route: The route with the id. What it takes from is never forgotten.
    """
    if route.own == route.id:
        if not has(throttler, route.id):
            throttler.add_rate_limits(all_of(route))
        return
    made = _made.setdefault(throttler, {})
    made.pop(route.id, None)
    made[route.id] = None
    if has(throttler, route.id):
        return
    throttler.add_rate_limits(all_of(route))
    if len(made) > MOST:
        oldest = list(made)[: len(made) // 2]
        throttler._forget_routes(oldest)
        for limit_id in oldest:
            # One that requests wait for stays.
            if not has(throttler, limit_id):
                made.pop(limit_id, None)
