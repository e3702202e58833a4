"""Limits and log entries, as Hummingbot's connectors write and read them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sluicegate.hummingbot.stands_for import StandsFor


@dataclass(eq=False)
class LinkedLimitWeightPair(StandsFor):
    """What a request takes from one more limit.

    Attributes:
        limit_id: The other limit's id.
        weight: How many of its units a request takes.
    """

    hummingbot_module = "data_types"

    limit_id: str
    weight: int = 1

    def __eq__(self, other: object) -> bool:
        """Equal to a pair of Hummingbot's own, too."""
        if not isinstance(other, LinkedLimitWeightPair):
            return NotImplemented
        return (self.limit_id, self.weight) == (other.limit_id, other.weight)

    __hash__ = None  # type: ignore[assignment]  # As a dataclass that compares by its values.


class RateLimit(StandsFor):
    """At most ``limit`` units in any window of ``time_interval`` seconds.

    Attributes:
        limit_id: The name of the limit, and of the requests that it limits.
        limit: How many units fit in a window. In a throttler's own table: its share of them.
        time_interval: The length of the rolling window, in seconds.
        weight: How many units a request for ``limit_id`` takes.
        linked_limits: The other limits that a request for ``limit_id`` takes from.
    """

    hummingbot_module = "data_types"

    def __init__(
        self,
        limit_id: str,
        limit: int | float | Decimal,
        time_interval: float,
        weight: int = 1,
        linked_limits: list[LinkedLimitWeightPair] | None = None,
    ) -> None:
        """A limit as it is written in a connector's table."""
        self.limit_id = limit_id
        self.limit = limit
        self.time_interval = time_interval
        self.weight = weight
        self.linked_limits = linked_limits or []

    def __repr__(self) -> str:
        """As Hummingbot shows it: logs are read by people and by scripts."""
        return (
            f"limit_id: {self.limit_id}, limit: {self.limit}, "
            f"time interval: {self.time_interval}, weight: {self.weight}, "
            f"linked_limits: {self.linked_limits}"
        )


@dataclass(eq=False)
class TaskLog(StandsFor):
    """What one request took from one limit.

    Attributes:
        timestamp: When its units began to count down, in seconds since 1970.
        rate_limit: The limit.
        weight: How many of its units.
    """

    hummingbot_module = "data_types"

    timestamp: float
    rate_limit: RateLimit
    weight: int

    def __eq__(self, other: object) -> bool:
        """Equal to an entry of Hummingbot's own, too."""
        if not isinstance(other, TaskLog):
            return NotImplemented
        ours = (self.timestamp, self.rate_limit, self.weight)
        return ours == (other.timestamp, other.rate_limit, other.weight)

    __hash__ = None  # type: ignore[assignment]  # As a dataclass that compares by its values.
