"""The log of what was taken, put together when somebody looks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sluicegate._core import HummingbotThrottler
from sluicegate.hummingbot.data_types import RateLimit, TaskLog

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler


class TaskLogs(list[TaskLog]):
    """A list that shows what a throttler's windows hold, and writes to them what it is told.

    Requests in flight are in it as of now: their units do not count down before they are answered.
    What was written into it stays in it until `AsyncRequestContextBase.flush`, as in Hummingbot.
    """

    def __init__(self, throttler: AsyncThrottler, started: float) -> None:
        """The log of a throttler whose clock started at the wall time ``started``."""
        super().__init__()
        self._throttler = weakref.ref(throttler)
        self._started = started
        self._written: list[TaskLog] = []
        self._in_flight: list[TaskLog] = []

    def _read(self) -> None:
        throttler = self._throttler()
        if throttler is None:
            return
        limits = throttler._id_to_limit_map
        # In the order in which requests took it: each from its own limit, then from its pools.
        pools = pools_of(limits)
        log = sorted(throttler._log(), key=lambda entry: (entry[1], entry[0] in pools))
        settled = [
            TaskLog(self._started + at, limits[limit_id], units) for limit_id, at, units in log
        ]
        now = self._started + throttler._now()
        self._in_flight = [
            TaskLog(now, limit, weight) for limit, weight in in_flight(throttler, limits)
        ]
        super().__setitem__(slice(None), [*self._written, *settled, *self._in_flight])

    def _write(self) -> None:
        throttler = self._throttler()
        if throttler is None:
            return
        # What is in flight stays so, whatever becomes of its entry.
        flying = {id(task) for task in self._in_flight}
        self._written = [task for task in super().__iter__() if id(task) not in flying]
        throttler._rewrite_log(
            [
                (task.rate_limit.limit_id, task.timestamp - self._started, task.weight)
                for task in self._written
            ]
        )

    def __iter__(self) -> Iterator[TaskLog]:
        """Over what is in the log now, whatever happens meanwhile."""
        self._read()
        return iter(list.copy(self))

    def __reduce_ex__(self, _protocol: object) -> tuple[type, tuple[list[TaskLog]]]:
        """A copy is a plain list."""
        return (list, (self.copy(),))


def pools_of(limits: dict[str, RateLimit]) -> set[str]:
    """The ids that other limits are linked to."""
    return {pair.limit_id for limit in limits.values() for pair in limit.linked_limits}


def in_flight(
    throttler: HummingbotThrottler, limits: dict[str, RateLimit]
) -> list[tuple[RateLimit, int]]:
    """What each request in flight takes from each limit.

    The gate keeps sums. A limit that only its own requests take from says how many these are, and
    so what they take from the pools behind; what is left there was taken by requests for the pool.
    """
    left = {limit_id: usage.in_flight for limit_id, usage in throttler.usage().items()}
    pools = pools_of(limits)
    entries = []
    for limit in limits.values():
        if limit.limit_id in pools or not limit.weight:
            continue
        links = [pair for pair in limit.linked_limits if pair.limit_id in limits]
        for _ in range(left[limit.limit_id] // limit.weight):
            entries.append((limit, limit.weight))
            entries.extend((limits[pair.limit_id], pair.weight) for pair in links)
            for pair in links:
                left[pair.limit_id] -= pair.weight
    for limit_id in pools & limits.keys():
        limit, units = limits[limit_id], left[limit_id]
        if limit.weight and units % limit.weight == 0:
            entries.extend([(limit, limit.weight)] * (units // limit.weight))
        elif units > 0:
            entries.append((limit, units))
    return entries


def _live(name: str, writes: bool) -> Callable[..., Any]:
    method = getattr(list, name)

    def live(self: TaskLogs, *args: Any, **kwargs: Any) -> Any:
        self._read()
        result = method(self, *args, **kwargs)
        if writes:
            self._write()
        return result

    live.__name__ = name
    live.__doc__ = method.__doc__
    return live


for _name in ("__len__", "__getitem__", "__contains__", "__eq__", "__ne__", "__repr__", "__add__"):
    setattr(TaskLogs, _name, _live(_name, writes=False))
for _name in ("__reversed__", "copy", "count", "index"):
    setattr(TaskLogs, _name, _live(_name, writes=False))
for _name in ("__setitem__", "__delitem__", "__iadd__", "append", "extend", "insert"):
    setattr(TaskLogs, _name, _live(_name, writes=True))
for _name in ("pop", "remove", "clear", "sort", "reverse"):
    setattr(TaskLogs, _name, _live(_name, writes=True))
