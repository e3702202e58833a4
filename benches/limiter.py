"""A limiter as the scenarios see it: a library, configured for one limit.

There are two forms of a request: `passes`, a loop written as the library's users write it, so that
nothing of ours is timed; and `request`, a context for one request, that waits for its turn.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler


class Peer:
    """One library, limited to `limit` requests in any `interval` seconds.

    Whole seconds, as some know no others.
    """

    name: ClassVar[str]
    """As the table calls it."""
    distribution: ClassVar[str]
    pools: ClassVar[bool] = False
    """Whether one request may take from several limits in one step."""

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        """`pools`: how many each request takes from beside its own limit, where there are any."""
        raise NotImplementedError

    def request(self) -> AbstractAsyncContextManager[object]:
        """The context of one request, entered when it may leave."""
        raise NotImplementedError

    async def passes(self, count: int) -> None:
        """Makes so many requests, one after another, that take no time."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends whatever runs in the background."""


class Sluicegate(Peer):
    """This library."""

    name = "sluicegate"
    distribution = "sluicegate"
    pools = True

    def __init__(self, limit: int, interval: int, pools: int = 1, hold: Any = "response") -> None:
        self.throttler = Throttler(
            table(RateLimit, LinkedLimitWeightPair, limit, interval, pools), hold=hold
        )

    def request(self) -> AbstractAsyncContextManager[object]:
        return self.throttler.execute_task("/x")

    async def passes(self, count: int) -> None:
        throttler = self.throttler
        for _ in range(count):
            async with throttler.execute_task("/x"):
                pass


def table(limit_type: Any, link_type: Any, limit: int, interval: int, pools: int) -> list[Any]:
    """The limits in anybody's types: "/x", linked to so many pools."""
    ids = [f"POOL{pool}" for pool in range(pools)]
    links = [link_type(pool, 1) for pool in ids]
    return [
        *(limit_type(pool, limit, interval) for pool in ids),
        limit_type("/x", limit, interval, linked_limits=links),
    ]
