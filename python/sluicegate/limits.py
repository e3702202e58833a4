"""`RateLimit` and `LinkedLimitWeightPair`: the rows of a table of limits, as users write them.

The names are those of Hummingbot's ``AsyncThrottler``, so that a table that was written for it
works here without a change. A throttler reads limits by their attributes: any object that has them
will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sluicegate._core import check_link, check_rate_limit


@dataclass
class LinkedLimitWeightPair:
    """What a request takes from one more limit: usually a pool, which many endpoints share.

    Attributes:
        limit_id: The id of the other limit.
        weight: How many of its units a request takes: a whole number, 0 or more. The default is 1.

    Raises:
        ValueError: The weight is out of range.
        TypeError: The id is not a ``str``, or the weight is not a number.
    """

    limit_id: str
    weight: int = 1

    def __post_init__(self) -> None:
        """Refuses a wrong value where it is written."""
        check_link(self)


@dataclass
class RateLimit:
    """At most ``limit`` units in any window of ``time_interval``, or as its kind says.

    Attributes:
        limit_id: The name of the limit, and of the requests that it limits: the path of an
            endpoint, or the name of a pool.
        limit: How many units fit: 1 or more. A fraction is rounded down. ``None`` if the exchange
            does not count these requests by themselves: they take from the linked limits only.
        time_interval: The length of the window: a number of seconds, or a text such as ``"100ms"``,
            ``"5m"`` or ``"1d"``. The windows of a quota begin at whole seconds, minutes, hours or
            days of the wall clock. ``"@0815"`` or ``"@081530"`` is a quota that begins each day at
            that time. ``None``, the default, is for ``kind="concurrent"`` and ``limit=None`` only.
        weight: How many units of this limit a request for ``limit_id`` takes: a whole number, 0 or
            more. The default is 1. With 0 the request takes from its linked limits only.
        linked_limits: The other limits that a request for ``limit_id`` takes from. The default is
            ``None``: no other limit.
        kind: How the exchange counts. ``"rolling"``, the default: in every window of that length.
            ``"quota"``: between two resets of the wall clock. ``"bucket"``: with a counter that
            falls by ``limit`` each ``time_interval``, steadily, and never exceeds ``limit``.
            ``"concurrent"``: what is in flight, with any ``hold``. ``"fixed"``: in windows of the
            clock of the exchange, which begin at multiples of the interval in UTC; see
            `Throttler.set_server_time`. ``"first"``: in a window that its first request opens.
        timezone: The IANA name of the time zone of a quota, such as ``"Asia/Shanghai"``. The
            default is ``None``: the time zone of the machine.
        scope: Whose requests the exchange counts together for this limit: ``"account"``, the
            default, or ``"address"``, the IP address. It matters if the throttler shares its
            limits with other processes: see `Share`.
        priority: Who goes first of the requests that wait: a whole number from -1000 to 1000. The
            higher goes first; equal ones go in the order of arrival. It is that of the requests for
            ``limit_id`` that name none. The default is 0.
        reserve: By priority, how many units are for requests of that priority and of higher ones
            only. ``{1: 600, 2: 200}`` keeps 600 for 1 and more, and 200 besides for 2 and more: a
            request leaves all that is kept for priorities above its own. The default is ``None``:
            nothing is kept.

    Raises:
        ValueError: A value is out of range. The message shows it and says what would be right.
        TypeError: A value has the wrong type.
    """

    limit_id: str
    limit: int | float | None
    time_interval: int | float | str | None = None
    weight: int = 1
    linked_limits: list[LinkedLimitWeightPair] | None = field(default=None)
    kind: Literal["rolling", "quota", "bucket", "concurrent", "fixed", "first"] = "rolling"
    timezone: str | None = None
    scope: Literal["account", "address"] = "account"
    priority: int = 0
    reserve: dict[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuses a wrong value where it is written, and not where the table is used."""
        check_rate_limit(self)
