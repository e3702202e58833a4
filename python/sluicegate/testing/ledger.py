"""`Ledger`: decides which request is accepted, rejected or banned. No clock, no server."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.tables.limit import Limit
from sluicegate.tables.table import Table
from sluicegate.testing.stats import LimitStatistics, Statistics
from sluicegate.testing.timeline import Timeline
from sluicegate.testing.window import RollingWindow

SLICES = 200
"""Slices of a limit's interval that its timeline starts with."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the exchange decides about one request.

    Attributes:
        status: 200 (accepted), 429 (over a limit) or 418 (banned).
        wait: Nanoseconds until the same request would be accepted, if nothing else arrives; 0 when
            it is accepted. For a ban: until its end.
        over: The limits that the request is over, in the order of the table.
    """

    status: int
    wait: int = 0
    over: tuple[Limit, ...] = ()


class Ledger:
    """Decides about requests by their instants of arrival, and keeps the statistics.

    Args:
        table: The limits, and the rule for bans.
        charge_rejected: Whether a request that is answered 429 still counts against its limits.
    """

    def __init__(self, table: Table, *, charge_rejected: bool = True) -> None:
        """Books with nothing in them."""
        self._ban = table.ban
        self._charge_rejected = charge_rejected
        self._accounts = {limit.name: _Account(limit) for limit in table.limits}
        self._strikes = RollingWindow(round(table.ban.within * 1e9))
        self._bans = 0
        self._banned_until: int | None = None
        self._first: int | None = None
        self._first_rejection: int | None = None
        self._first_ban: int | None = None
        self._accepted = self._rejected = self._banned = 0

    def arrive(self, now: int, weights: Mapping[str, int]) -> Verdict:
        """Decide about a request that arrives at `now`.

        It is charged to all of its limits or, when it is over any of them, rejected. A rejected
        request is charged to all of its limits too, unless `charge_rejected` is false.

        Args:
            now: Nanoseconds; never before the instant of an earlier request.
            weights: Units by name of limit.
        """
        if self._first is None:
            self._first = now
        charges = [(self._accounts[name], units) for name, units in weights.items()]
        for account, units in charges:
            account.advance(now)
            account.arrived.add(now, units)

        if self._banned_until is not None and now < self._banned_until:
            return self._turn_away(now)

        over = [(account, units) for account, units in charges if not account.has_room(units)]
        if not over:
            self._accepted += 1
            for account, units in charges:
                account.charge(now, units)
            return Verdict(200)

        self._first_rejection = now if self._first_rejection is None else self._first_rejection
        if self._charge_rejected:
            for account, units in charges:
                account.charge(now, units)
        # After charging, because a rejected request that counts is in its own way next time.
        wait = max(account.room_at(now, units) for account, units in charges) - now
        if self._strikes.add(now, 1) > self._ban.tolerated:
            self._banned_until = now + self._ban.duration(self._bans)
            self._bans += 1
            self._strikes = RollingWindow(self._strikes.interval)
            self._first_ban = now if self._first_ban is None else self._first_ban
            return self._turn_away(now)
        self._rejected += 1
        limits = {account.limit.name for account, _ in over}
        return Verdict(
            429, wait, tuple(a.limit for a in self._accounts.values() if a.limit.name in limits)
        )

    def used(self, name: str, now: int) -> int:
        """Units in the window of a limit at `now`."""
        account = self._accounts[name]
        account.advance(now)
        return account.charged.used

    def statistics(self, now: int) -> Statistics:
        """What happened so far, at the instant `now`."""
        origin = now if self._first is None else self._first
        return Statistics(
            requests=self._accepted + self._rejected + self._banned,
            accepted=self._accepted,
            rejected=self._rejected,
            banned=self._banned,
            bans=self._bans,
            first_rejection=_seconds(self._first_rejection, origin),
            first_ban=_seconds(self._first_ban, origin),
            elapsed=(now - origin) / 1e9,
            limits=tuple(account.statistics(now, origin) for account in self._accounts.values()),
        )

    def _turn_away(self, now: int) -> Verdict:
        assert self._banned_until is not None
        self._banned += 1
        return Verdict(418, self._banned_until - now)


class _Account:
    """One limit's windows: what counts against it, and all that was sent."""

    def __init__(self, limit: Limit) -> None:
        interval = round(limit.interval * 1e9)
        self.limit = limit
        self.charged = RollingWindow(interval)
        self.arrived = RollingWindow(interval)
        self.timeline = Timeline(interval // SLICES, interval)

    def advance(self, now: int) -> None:
        """Let go what has left by `now`; the timeline sees each departure at its own instant."""
        window = self.charged
        while (change := window.next_change) is not None and change <= now:
            self.timeline.step(change, window.advance(change))
        window.advance(now)

    def has_room(self, units: int) -> bool:
        return self.charged.used + units <= self.limit.limit

    def room_at(self, now: int, units: int) -> int:
        return self.charged.room_at(now, units, self.limit.limit)

    def charge(self, now: int, units: int) -> None:
        self.timeline.step(now, self.charged.add(now, units))

    def statistics(self, now: int, origin: int) -> LimitStatistics:
        self.advance(now)
        return LimitStatistics(
            name=self.limit.name,
            limit=self.limit.limit,
            interval=self.limit.interval,
            worst_window=self.arrived.worst,
            used=self.charged.used,
            mean=self.timeline.mean(now),
            timeline=tuple(self.timeline.points(origin)),
        )


def _seconds(instant: int | None, origin: int) -> float | None:
    return None if instant is None else (instant - origin) / 1e9
