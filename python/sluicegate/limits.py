"""Limits, as their users write them down.

The names are those of Hummingbot's ``AsyncThrottler``, so that a table written for it works here as
it stands. A throttler reads limits by their attributes: any object with the same ones will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class LinkedLimitWeightPair:
    """What a request takes from one more limit, mostly a pool that many endpoints share.

    Attributes:
        limit_id: The other limit's id.
        weight: How many of its units a request takes; 0 takes none.
    """

    limit_id: str
    weight: int = 1


@dataclass
class RateLimit:
    """At most ``limit`` units in any window of ``time_interval``, or between two resets of a quota.

    Attributes:
        limit_id: The name of the limit, and of the requests that it limits: an endpoint's path, or
            a pool's name.
        limit: How many units fit in a window. Rounded down, and 1 or more.
        time_interval: The length of the window, in seconds or as ``"100ms"``, ``"5m"``, ``"1d"``.
            A quota's windows are aligned to the clock on the wall: to whole seconds, minutes, hours
            or days. ``"@0815"`` or ``"@081530"`` starts one each day at that time.
        weight: How many units of this limit a request for ``limit_id`` takes; 0 leaves its own
            limit out.
        linked_limits: The other limits that a request for ``limit_id`` takes from; ``None`` for
            none.
        kind: ``"rolling"`` for any window of that length, ``"quota"`` for those between two resets.
        timezone: The IANA name of the time zone that a quota is aligned in, such as
            ``"Asia/Shanghai"``; ``None`` for the machine's.
    """

    limit_id: str
    limit: int | float
    time_interval: int | float | str
    weight: int = 1
    linked_limits: list[LinkedLimitWeightPair] | None = field(default=None)
    kind: Literal["rolling", "quota"] = "rolling"
    timezone: str | None = None
