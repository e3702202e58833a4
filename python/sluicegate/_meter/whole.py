"""The whole of a shared budget: what its store knows, and what only the processes know.

A store knows what each process holds, what was used and posted, what others have used, pauses, and
the oldest request for which a process's own part is too small. What is in flight now, and who waits
for what comes free by itself, no process writes anywhere. So those on this machine are asked by the
meter's sockets; of the others it is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluicegate._meter.sockets import Bot

#: What a process says of its part of a limit, in the overview under ``now``.
_NOW = ("used", "in_flight", "foreign", "waiting", "oldest_wait", "passed_per_second")

Limits = dict[str, dict[str, Any]]


def complete(budgets: Sequence[dict[str, Any]], bots: Sequence[Bot]) -> None:
    """Adds to the overview of a store what processes say that can be asked.

    Each member gets ``answers``: whether it was asked and has answered. Its part of a limit gets
    ``now``: what it says, or None. Each limit gets ``in_flight``, ``waiting``, ``oldest_wait`` and
    ``passed_per_second``, as far as that is known. Its ``used`` and ``foreign`` count what the
    members say now in place of what they last told the store.

    Args:
        budgets: What `sluicegate._core.share_overview` returns.
        bots: Those of this machine.
    """
    told = {
        throttler["member"]: {limit["limit_id"]: limit for limit in throttler["limits"]}
        for bot in bots
        for throttler in bot.data.get("throttlers", ())
        if throttler["member"]
    }
    for scope in budgets:
        answers = [told.get(member["id"]) for member in scope["members"]]
        for member, limits in zip(scope["members"], answers, strict=True):
            member["answers"] = limits is not None
        for limit in scope["limits"]:
            _complete(limit, scope["members"], answers)


def _complete(
    limit: dict[str, Any], members: Sequence[dict[str, Any]], answers: Sequence[Limits | None]
) -> None:
    limit.update(in_flight=0, waiting=0, oldest_wait=0.0)
    certain, rates = limit["used"] - limit["kept"], []
    for member, part, limits in zip(members, limit["members"], answers, strict=True):
        if part is None:
            continue
        now = limits.get(limit["limit_id"]) if limits is not None else None
        part["now"] = None if now is None else {key: now.get(key) for key in _NOW}
        # The store's sum counts what waits as well.
        limit["used"] -= min(part["held"], part["demand"])
        if now is None:
            limit["used"] += min(part["held"], part["used"])
            waits = _of_ticket(member, limit["limit_id"])
        else:
            limit["used"] += now["used"]
            limit["in_flight"] += now["in_flight"]
            # Each that has heard of units of others keeps them back until all have compared.
            limit["foreign"] += now["foreign"]
            waits = (now["waiting"], now["oldest_wait"])
            rates.append(now.get("passed_per_second"))
            if now["paused"] > limit["paused"]:
                limit.update(paused=now["paused"], pause_reason=now["pause_reason"])
        limit["waiting"] += waits[0]
        limit["oldest_wait"] = max(limit["oldest_wait"], waits[1])
    # What is kept for others counts up to the limit. And a unit that has moved between the two
    # looks was counted twice.
    too_many = max(limit["used"] - max(limit["limit"], certain), 0)
    limit["used"] -= too_many
    limit["foreign"] -= min(too_many, limit["foreign"])
    free = max(limit["limit"] - limit["used"], 0)
    limit["reserved"] = None if limit["reserved"] is None else min(limit["reserved"], free)
    known = [rate for rate in rates if rate is not None]
    limit["passed_per_second"] = sum(known) if known else None


def _of_ticket(member: dict[str, Any], limit_id: str) -> tuple[int, float]:
    """Who waits of a process that was not asked: one request at least, if the store knows of it."""
    ticket = member["ticket"]
    return (1, ticket["waited"]) if ticket and limit_id in ticket["needs"] else (0, 0.0)
