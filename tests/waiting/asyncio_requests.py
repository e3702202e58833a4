"""A request for tests of event loops, and what a limit has in use."""

from __future__ import annotations

from sluicegate import Throttler


def in_use(throttler: Throttler, limit_id: str = "/x") -> tuple[int, int, int]:
    usage = throttler.usage(limit_id)
    return usage.used, usage.in_flight, usage.waiting


async def pass_through(throttler: Throttler, log: list[object], name: object) -> None:
    async with throttler.execute_task("/x"):
        log.append(name)
