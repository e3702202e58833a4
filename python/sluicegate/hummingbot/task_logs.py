"""`TaskLogs`: Hummingbot's `_task_logs`, made from the gate's windows when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sluicegate._core import Usage
from sluicegate.hummingbot.data_types import RateLimit, TaskLog
from sluicegate.hummingbot.gate_table import ENDLESS as MOST_UNITS
from sluicegate.hummingbot.gate_table import units_of

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler


class TaskLogs(list[TaskLog]):
    """A list that shows what a throttler's windows hold; what is written to it goes to them.

    Requests in flight are in it as of now: their units do not count down before they are answered.
    What was written into it stays in it until `AsyncRequestContextBase.flush`, as in Hummingbot.
    It is of Hummingbot's limits alone: what `AsyncThrottler.IO` added is not in it, and what these
    limits hold stays there whatever is written.
    """

    def __init__(self, throttler: AsyncThrottler, started: float) -> None:
        """The log of a throttler whose clock started at the wall time ``started``."""
        super().__init__()
        self._throttler = throttler
        self._started = started
        self._written: list[TaskLog] = []
        self._in_flight: list[TaskLog] = []
        self._unseen: list[tuple[str, float, int]] = []

    def _read(self) -> None:
        throttler = self._throttler
        limits = throttler._id_to_limit_map
        taken: dict[float, dict[str, int]] = {}
        for limit_id, at, units in throttler._log():
            if limit_id in limits:
                taken.setdefault(at, {})[limit_id] = units
        settled = [
            TaskLog(self._started + at, limit, weight)
            for at, units in sorted(taken.items(), key=itemgetter(0))
            for limit, weight in requests(units, limits)
        ]
        now = self._started + throttler._now()
        flying = {
            limit_id: usage.in_flight for limit_id, usage in self._usages() if limit_id in limits
        }
        self._in_flight = [TaskLog(now, *takes) for takes in requests(flying, limits)]
        super().__setitem__(slice(None), [*self._written, *settled, *self._in_flight])

    def _write(self) -> None:
        # What is in flight stays so, whatever becomes of its entry.
        flying = {id(task) for task in self._in_flight}
        tasks = [task for task in super().__iter__() if id(task) not in flying]
        unseen = self._still_unseen()
        self._throttler._rewrite_log([*map(self._written_as, tasks), *unseen])
        # Only now: an entry that was refused must not be in the way of the next one.
        self._written, self._unseen = tasks, unseen

    def _written_as(self, task: TaskLog) -> tuple[Any, float, int]:
        units = units_of(task.weight)
        if not isinstance(units, int) or not 0 <= units <= MOST_UNITS:
            raise ValueError(
                f"the weight of an entry of {task.rate_limit.limit_id!r} must be a number, "
                f"0 or more, not {task.weight!r}"
            )
        return task.rate_limit.limit_id, task.timestamp - self._started, units

    def _still_unseen(self) -> list[tuple[str, float, int]]:
        throttler = self._throttler
        seen, now = throttler._id_to_limit_map, throttler._now()
        # The windows' log holds only what came since they were last rewritten.
        log = [*self._unseen, *throttler._log()]
        lasts = {limit_id: usage.time_interval for limit_id, usage in self._usages()}
        return [
            (limit_id, at, units)
            for limit_id, at, units in log
            if limit_id not in seen and at + lasts.get(limit_id, 0) >= now
        ]

    def _usages(self) -> list[tuple[Any, Usage]]:
        own = self._throttler._ids.own
        return [(own(gate_id), usage) for gate_id, usage in self._throttler.usage().items()]

    def __iter__(self) -> Iterator[TaskLog]:
        """Over what is in the log now, whatever happens meanwhile."""
        self._read()
        return iter(list.copy(self))

    def __reduce_ex__(self, _protocol: object) -> tuple[type, tuple[list[TaskLog]]]:
        """A copy is a plain list."""
        return (list, (self.copy(),))


def requests(
    units: dict[str, int], limits: dict[str, RateLimit]
) -> Iterator[tuple[RateLimit, int]]:
    """What each of some requests took from each limit, derived from the gate's sums.

    The units of a limit that only its own requests take from give their number, and so what they
    took from the pools behind; what is left there was taken by requests for the pool itself.

    Args:
        units: What they took together, by limit id.
        limits: The table.
    """
    left = dict(units)
    pools = {pair.limit_id for limit in limits.values() for pair in limit.linked_limits or []}
    for limit_id in [limit_id for limit_id in left if limit_id not in pools]:
        limit = limits[limit_id]
        for _ in range(left[limit_id] // max(units_of(limit.weight), 1)):
            yield limit, limit.weight
            for pair in limit.linked_limits or []:
                # A pool with a shorter interval may have forgotten the request already.
                if left.get(pair.limit_id, 0) >= units_of(pair.weight):
                    left[pair.limit_id] -= units_of(pair.weight)
                    yield limits[pair.limit_id], pair.weight
    for limit_id in [limit_id for limit_id in left if limit_id in pools and left[limit_id]]:
        limit, rest = limits[limit_id], left[limit_id]
        weight = units_of(limit.weight)
        count = rest // weight if weight and rest % weight == 0 else 1
        yield from [(limit, rest // count)] * count


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
