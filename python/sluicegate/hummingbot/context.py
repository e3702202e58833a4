"""The contexts of requests (``async with``), over a list of what was taken.

Hummingbot's tests, and throttlers that others wrote, build these by hand. A request that goes
through `AsyncThrottler` has a context of the gate's own, and comes here only if it is asked for
something that no ``async with`` needs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING

from sluicegate._core import HummingbotTask, HummingbotThrottler
from sluicegate.errors import UnknownLimitError
from sluicegate.hummingbot.data_types import RateLimit, TaskLog
from sluicegate.hummingbot.notices import Notices
from sluicegate.hummingbot.stands_for import PACKAGE, StandsFor

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler


class AsyncRequestContextBase(StandsFor):
    """Waits until a request may leave: ``async with``. Subclasses decide when that is."""

    hummingbot_module = "async_request_context_base"

    @classmethod
    def logger(cls) -> logging.Logger:
        """Hummingbot's log of throttlers."""
        return logging.getLogger(f"{PACKAGE}.async_request_context_base")

    def __init__(
        self,
        task_logs: list[TaskLog],
        rate_limit: RateLimit | None,
        related_limits: list[tuple[RateLimit, int]],
        lock: asyncio.Lock,
        safety_margin_pct: float,
        retry_interval: float = 0.1,
    ) -> None:
        """A context of one request.

        Args:
            task_logs: What was taken, shared by all requests; this one adds to it.
            rate_limit: The request's own limit.
            related_limits: The other limits that it takes from, each with how much.
            lock: Shared by all requests of the same log.
            safety_margin_pct: What was taken counts for this share of the interval longer.
            retry_interval: How many seconds to wait before the next check.
        """
        self._task_logs = task_logs
        self._rate_limit = rate_limit
        self._related_limits = related_limits
        self._lock = lock
        self._safety_margin_pct = safety_margin_pct
        self._retry_interval = retry_interval

    def flush(self) -> None:
        """Drops from the log what no longer counts."""
        now = Decimal(str(time.time()))
        kept = [task for task in self._task_logs if self._age(now, task) <= self._stay(task)]
        if len(kept) < len(self._task_logs):
            self._task_logs[:] = kept

    @staticmethod
    def _age(now: Decimal, task: TaskLog) -> Decimal:
        # In decimals: floats of this size tell instants 0.2 s apart only to a tenth of a µs, and a
        # unit that left a window at its very end must not leave before.
        return now - Decimal(str(task.timestamp))

    def _stay(self, task: TaskLog) -> Decimal:
        return Decimal(str(task.rate_limit.time_interval * (1 + float(self._safety_margin_pct))))

    @abstractmethod
    def within_capacity(self) -> bool:
        """Whether the request may leave now."""
        raise NotImplementedError

    async def acquire(self) -> None:
        """Waits until the request may leave, and logs what it takes."""
        limit = self._rate_limit
        if limit is None:
            raise UnknownLimitError("a context without a rate limit cannot be entered", "", None)
        while True:
            async with self._lock:
                self.flush()
                if self.within_capacity():
                    now = time.time()
                    takes = [(limit, limit.weight), *self._related_limits]
                    self._task_logs.extend(TaskLog(now, *taken) for taken in takes)
                    return
            await asyncio.sleep(self._retry_interval)

    async def __aenter__(self) -> None:
        """Waits until the request may leave."""
        await self.acquire()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """The request is over."""


class AsyncRequestContext(AsyncRequestContextBase):
    """A request may leave when each of its limits has room for what it takes."""

    hummingbot_module = "async_throttler"

    _notices = Notices()

    def within_capacity(self) -> bool:
        """Whether the request may leave now. A request without a limit always may."""
        if self._rate_limit is None:
            return True
        now = Decimal(str(self._time()))
        used: dict[str, int] = {}
        for task in self._task_logs:
            if self._age(now, task) <= self._stay(task):
                limit_id = task.rate_limit.limit_id
                used[limit_id] = used.get(limit_id, 0) + task.weight
        for limit, weight in [(self._rate_limit, self._rate_limit.weight), *self._related_limits]:
            taken = used.get(limit.limit_id, 0)
            if taken + weight > limit.limit:
                self._notices.almost_reached(self.logger(), limit, taken)
                return False
        return True

    def _time(self) -> float:
        return time.time()


AsyncRequestContext.register(HummingbotTask)


class UnlimitedContext(AsyncRequestContext):
    """The context of a request for an id without a limit: entering it raises the error."""

    def __init__(self, throttler: AsyncThrottler, error: Exception) -> None:
        """Keeps the error until it is entered: asking for capacity is no mistake."""
        super().__init__(
            throttler._task_logs, None, [], throttler._lock, throttler._safety_margin_pct
        )
        self._error = error

    async def acquire(self) -> None:
        """Raises the error."""
        raise self._error


class GateContext(AsyncRequestContext):
    """What Hummingbot's context has beside ``async with``, for a request at the gate."""

    def __init__(self, throttler: AsyncThrottler, limit_id: str) -> None:
        """A context of a request for ``limit_id``, which the throttler has a limit for."""
        super().__init__(
            throttler._task_logs,
            *throttler._related(limit_id),
            lock=throttler._lock,
            safety_margin_pct=throttler._safety_margin_pct,
            retry_interval=throttler._retry_interval,
        )
        self._throttler = throttler
        self._limit_id = limit_id

    def within_capacity(self) -> bool:
        """Whether the request would pass the gate now."""
        try:
            if self._throttler.wait_time(self._limit_id) == 0:
                return True
        except ValueError:  # It takes more than a limit ever has.
            return False
        self._throttler._must_wait(self._limit_id)
        return False

    async def acquire(self) -> None:
        """Passes the gate, as a request that was answered at once."""
        async with HummingbotThrottler.execute_task(self._throttler, self._limit_id):
            pass
