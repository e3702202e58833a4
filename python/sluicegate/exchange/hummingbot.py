"""``throttler.IO("rate", limit_id, max_calls, period)`` on a throttler such as Hummingbot's."""

from __future__ import annotations

from typing import Any, Protocol

from sluicegate._core import check_timezone, parse_period
from sluicegate.exchange.names import closest
from sluicegate.exchange.rules import MODES, read_behavior, read_count
from sluicegate.limits import LinkedLimitWeightPair, RateLimit


class _Throttler(Protocol):
    @property
    def rate_limits(self) -> list[RateLimit]: ...
    def set_rate_limits(self, rate_limits: Any, /) -> None: ...


def add_limit(
    throttler: _Throttler,
    mode: str,
    limit_id: str,
    max_calls: int | None,
    period: str = "",
    behavior: str | None = "delay",
    *,
    timezone: str | None = None,
) -> None:
    """Limits the requests for an id, beside what limits them already.

    Args:
        throttler: The throttler. Whoever waits for it keeps its place.
        mode: ``"rate"`` for any window of that length, ``"quota"`` for those between two resets.
        limit_id: The id. If the throttler does not have it, it does from now on.
        max_calls: How many requests fit; ``None`` takes away what was added for this mode and id.
        period: Such as ``"100ms"`` or, for a quota, ``"@0815"``.
        behavior: ``"delay"`` or ``None``, which are the same here: requests always wait.
        timezone: The time zone of quotas; ``None`` for the machine's.

    Raises:
        TypeError: Something of the wrong type; nothing has changed.
        ValueError: Something that cannot be; nothing has changed.
    """
    if mode not in MODES:
        close = closest(mode, MODES) if isinstance(mode, str) else None
        hint = f"; did you mean {close!r}?" if close else ""
        raise ValueError(f"the mode must be 'rate' or 'quota', not {mode!r}{hint}")
    if not isinstance(limit_id, str) or not limit_id:
        raise TypeError(f"limit_id must be a str, not {limit_id!r}")
    read_behavior(behavior)
    added = f"IO {mode}:{limit_id}"
    limits = {limit.limit_id: limit for limit in throttler.rate_limits}
    base = limits.get(limit_id, RateLimit(limit_id, 1 << 62, 1, weight=0))
    links = [link for link in base.linked_limits or [] if link.limit_id != added]
    limits.pop(added, None)
    if max_calls is not None:
        calls = read_count(max_calls)
        parse_period(period, quota=mode == "quota")
        if timezone is not None:
            check_timezone(timezone)
        quota = mode == "quota"
        limits[added] = RateLimit(
            added,
            calls,
            period,
            kind="quota" if quota else "rolling",
            timezone=timezone if quota else None,
        )
        links.append(LinkedLimitWeightPair(added, 1))
    if limit_id in limits or max_calls is not None:
        limits[limit_id] = RateLimit(
            limit_id, base.limit, base.time_interval, base.weight, links, base.kind, base.timezone
        )
    throttler.set_rate_limits(list(limits.values()))


class IOMixin:
    """Gives a throttler ``IO(mode, limit_id, max_calls, period)``; see `add_limit`."""

    def IO(  # noqa: N802
        self: Any,
        mode: str,
        limit_id: str,
        max_calls: int | None,
        period: str = "",
        behavior: str | None = "delay",
    ) -> None:
        """Limits the requests for an id, beside what limits them already; see `add_limit`."""
        add_limit(self, mode, limit_id, max_calls, period, behavior)
