"""What `listen` has heard, told to a throttler: the program's may have other ids."""

from typing import TYPE_CHECKING, Any

from sluicegate.tables.route import Route

if TYPE_CHECKING:
    from sluicegate import Throttler


def has(throttler: "Throttler", limit_id: str) -> bool:
    """Whether a throttler has a limit."""
    if _knows_ids(throttler):
        return limit_id in throttler
    try:
        throttler.usage(limit_id)
    except KeyError:
        return False
    return True


def _knows_ids(throttler: "Throttler") -> bool:
    """Whether it is a throttler, and not what stands for one in a drop-in."""
    return hasattr(type(throttler), "__contains__")


def observe(throttler: "Throttler", limit_id: str, **told: Any) -> None:
    """Tells how much of a limit is used. The program's throttler may have other ids."""
    if _knows_ids(throttler) and limit_id not in throttler:
        return
    try:
        throttler.observe(limit_id, expect=True, **told)
    except KeyError:
        return


def give_back(throttler: "Throttler", route: Route, items: int | None) -> None:
    """Gives back what the largest answer would have cost more than this one."""
    if items is None or route.endpoint is None:
        return
    for name, cost in route.endpoint.returned.items():
        units = cost.most_units - cost.units(items)
        for limit_id, (limit, _) in route.takes.items():
            # What is counted of a text may be more than there is, and takes no more for that.
            if limit.name == name and units > 0 and has(throttler, limit_id):
                throttler.correct(limit_id, -units)


def pause(throttler: "Throttler", ids: list[str] | None, seconds: float, reason: str) -> list[str]:
    """Pauses limits; without ids, everything. Returns the ids."""
    if ids is None:
        throttler.pause(None, seconds=seconds, reason=reason)
        return []
    for limit_id in ids:
        throttler.pause(limit_id, seconds=seconds, reason=reason)
    return ids


def pause_scope(
    throttler: "Throttler", scope: Any, ids: list[str], seconds: float, reason: str
) -> None:
    """Pauses all limits of a scope: those that a later request makes as well."""
    if hasattr(throttler, "pause_scope"):
        throttler.pause_scope(scope, seconds, reason)
    else:
        pause(throttler, ids, seconds, reason)


def tell_time(throttler: "Throttler", instant: float, resolution: float, elapsed: float) -> None:
    """Tells what the server's clock shows now: later than the instant by at most these two."""
    half = (resolution + elapsed) / 2
    if hasattr(throttler, "set_server_time"):
        throttler.set_server_time(instant + half, half)
