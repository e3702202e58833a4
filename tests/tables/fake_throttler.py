"""A throttler that writes down what it is told."""

from __future__ import annotations

from typing import Any

from sluicegate import RateLimit
from sluicegate.tables import Table


class FakeThrottler:
    """What `Table.listen` uses of a throttler."""

    def __init__(self, table: Table | None = None) -> None:
        self.rate_limits: list[RateLimit] = [] if table is None else table.rate_limits()
        self.observed: list[tuple[str, dict[str, Any]]] = []
        self.paused: list[tuple[str | None, float]] = []
        self.corrected: list[tuple[str, int]] = []
        self.times: list[tuple[float, float]] = []

    def usage(self, limit_id: str) -> None:
        if all(row.limit_id != limit_id for row in self.rate_limits):
            raise KeyError(limit_id)

    def add_rate_limits(self, rows: list[RateLimit]) -> None:
        known = {row.limit_id for row in self.rate_limits}
        self.rate_limits += [row for row in rows if row.limit_id not in known]

    def observe(self, limit_id: str, *, expect: bool = False, **told: Any) -> None:
        self.usage(limit_id)
        assert expect
        assert told.pop("age", None) is None or told
        assert set(told) <= {"used", "remaining", "limit", "reset"}
        self.observed.append((limit_id, told))

    def pause(self, limit_id: str | None = None, *, seconds: float, reason: str = "") -> None:
        if limit_id is not None:
            self.usage(limit_id)
        assert seconds > 0
        assert reason
        self.paused.append((limit_id, seconds))

    def correct(self, limit_id: str, units: int) -> None:
        self.usage(limit_id)
        self.corrected.append((limit_id, units))

    def set_server_time(self, seconds: float, uncertainty: float) -> None:
        self.times.append((seconds, uncertainty))
