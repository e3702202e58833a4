"""`Ledger`: decides which request is accepted, rejected or banned. No clock, no server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluicegate.tables.ban import BanRule
from sluicegate.tables.limit import Limit
from sluicegate.tables.table import Table
from sluicegate.testing.account import Account
from sluicegate.testing.hold import Hold
from sluicegate.testing.others import Others
from sluicegate.testing.stats import Statistics
from sluicegate.testing.window import RollingWindow

Charges = list[tuple[Account, int]]
"""What a request takes from, and how many units of each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the exchange decides about one request.

    Attributes:
        status: 200 (accepted), 429 (over a limit) or 418 (banned).
        wait: Nanoseconds until the same request would be accepted, if nothing else arrives; 0 when
            it is accepted, or if nobody knows. For a ban: until its end.
        over: The limits that the request is over, in the order in which it takes from them.
        charges: All that the request takes from, with its units.
    """

    status: int
    wait: int = 0
    over: tuple[Limit, ...] = ()
    charges: Charges = field(default_factory=list)


class Ledger:
    """Decides about requests by their instants of arrival, and keeps the statistics.

    Args:
        table: The limits, and the rule for bans.
        charge_rejected: Whether a request that is answered 429 still counts against its limits.
        wall: The exchange's own time in nanoseconds since 1970, at an instant; limits of the kind
            `fixed` follow it. By default instants are this time.
    """

    def __init__(
        self,
        table: Table,
        *,
        charge_rejected: bool = True,
        wall: Callable[[int], int] = lambda instant: instant,
    ) -> None:
        """Books with nothing in them."""
        self._ban = table.ban
        self._charge_rejected = charge_rejected
        self._wall = wall
        self._headers = table.headers
        self._limits = {limit.name: limit for limit in table.limits}
        self._others: dict[str, Others] = {}
        # In the order of the table, and then in that of their first requests.
        self._accounts = {limit.name: Account(limit, wall, limit.told_by) for limit in table.limits}
        self._strikes = RollingWindow(round(table.ban.within * 1e9))
        self._bans = 0
        self._banned_until: int | None = None
        self._first: int | None = None
        self._first_rejection: int | None = None
        self._first_ban: int | None = None
        self._accepted = self._rejected = self._banned = self._too_early = 0
        self._hold = Hold()

    def arrive(self, now: int, weights: Mapping[str, int]) -> Verdict:
        """Decide about a request that arrives at `now`.

        It is charged to all of its limits or, when it is over any of them, rejected. A rejected
        request is charged to all of its limits too, unless `charge_rejected` is false.

        Args:
            now: Nanoseconds; never before the instant of an earlier request.
            weights: Units by name of limit.
        """
        takes = {name: (self._limits[name], units) for name, units in weights.items()}
        return self.decide(now, self.charges(now, takes))

    def charges(self, now: int, takes: Mapping[str, tuple[Limit, int]]) -> Charges:
        """The accounts that a request takes from.

        Args:
            now: The instant from which on an account that is new has others, too.
            takes: Limits and units by id, as `Route` has them. An id that was never there before,
                such as that of a symbol's own limit, gets an account of its own.
        """
        return [
            (self._accounts.get(name) or self._open(now, name, limit), units)
            for name, (limit, units) in takes.items()
        ]

    def send(self, now: int, charges: Charges) -> None:
        """Note that a client sends a request at the instant `now`, which arrives later."""
        if self._hold.covers(now) or any(account.hold.covers(now) for account, _ in charges):
            self._too_early += 1

    def tell(self, now: int, verdict: Verdict, until: int) -> None:
        """Note that a client is told now to wait until an instant, by the answer to a request."""
        if verdict.status == 418:
            self._hold.tell(now, until)
        for account, _ in verdict.charges:
            if account.limit in verdict.over:
                account.hold.tell(now, until)

    def decide(self, now: int, charges: Charges) -> Verdict:
        """Decide about a request that arrives at `now` and takes from these (see `arrive`)."""
        if self._first is None:
            self._first = now
        for account, units in charges:
            account.advance(now)
            account.arrive(now, units)

        if self._banned_until is not None and now < self._banned_until:
            self._prolong(now)
            return self._turn_away(now, charges)

        over = [account for account, units in charges if not account.has_room(units)]
        if not over:
            self._accepted += 1
            for account, units in charges:
                account.charge(now, units)
            return Verdict(200, 0, (), charges)

        self._first_rejection = now if self._first_rejection is None else self._first_rejection
        if self._charge_rejected:
            for account, units in charges:
                # What is refused is not under way.
                if account.limit.kind != "concurrent":
                    account.charge(now, units, accepted=False)
        # After charging, because a rejected request that counts is in its own way next time.
        instants = [account.room_at(now, units) for account, units in charges]
        wait = max((instant - now for instant in instants if instant is not None), default=0)
        if self._strikes.add(now, 1) > self._ban.tolerated:
            self._banned_until = now + self._ban.duration(self._bans)
            self._bans += 1
            self._strikes = RollingWindow(self._strikes.interval)
            self._first_ban = now if self._first_ban is None else self._first_ban
            return self._turn_away(now, charges)
        self._rejected += 1
        return Verdict(429, wait, tuple(account.limit for account in over), charges)

    def leave(self, now: int, verdict: Verdict) -> None:
        """The request of this verdict is answered: it is under way no longer."""
        for account, units in verdict.charges:
            account.release(now, units, charged=verdict.status == 200)

    def used(self, name: str, now: int) -> int:
        """Units that count against a limit at `now`; of a limit by key, `name` has the key.

        Raises:
            KeyError: There is no such limit.
        """
        account = self._accounts[name]
        account.advance(now)
        return account.charged.used

    def set_others(self, name: str, others: Others | None, now: int) -> None:
        """From the instant `now` on, these others use the limit, too; None: nobody else does.

        Of a limit by key they use each key.
        """
        if others is None:
            self._others.pop(name, None)
        else:
            self._others[name] = others
        for account in self._accounts.values():
            if account.limit.name == name:
                account.follow(others, now)

    def set_limit(self, limit: Limit, now: int) -> None:
        """From the instant `now` on, this takes the place of the limit of the same name."""
        self._limits[limit.name] = limit
        for account in self._accounts.values():
            if account.limit.name == limit.name:
                account.change(limit, now)

    def set_ban(self, rule: BanRule) -> None:
        """From now on, clients are banned by this rule. A ban that has begun ends when it would."""
        self._ban = rule
        self._strikes = RollingWindow(round(rule.within * 1e9))

    def set_clock(self, now: int) -> None:
        """The exchange's clock was set at the instant `now`."""
        for account in self._accounts.values():
            account.set_clock(now)

    def statistics(self, now: int) -> Statistics:
        """What happened so far, at the instant `now`."""
        origin = now if self._first is None else self._first
        # A limit itself says nothing where each of its keys has a count of its own.
        keyed = {x.limit.name for name, x in self._accounts.items() if name != x.limit.name}
        return Statistics(
            requests=self._accepted + self._rejected + self._banned,
            accepted=self._accepted,
            rejected=self._rejected,
            banned=self._banned,
            bans=self._bans,
            first_rejection=_seconds(self._first_rejection, origin),
            first_ban=_seconds(self._first_ban, origin),
            elapsed=(now - origin) / 1e9,
            limits=tuple(
                account.statistics(name, now, origin)
                for name, account in self._accounts.items()
                if name not in keyed
            ),
            too_early=self._too_early,
        )

    def _open(self, now: int, name: str, limit: Limit) -> Account:
        # What is no limit of the table is an endpoint's own.
        headers = limit.told_by if limit.name in self._limits else self._headers
        account = Account(limit, self._wall, headers)
        self._accounts[name] = account
        others = self._others.get(limit.name)
        if others is not None:
            account.follow(others, now)
        return account

    def _prolong(self, now: int) -> None:
        assert self._banned_until is not None
        later = self._banned_until + round(self._ban.prolong * 1e9)
        longest = now + round(self._ban.longest * 1e9)
        self._banned_until = max(self._banned_until, min(later, longest))

    def _turn_away(self, now: int, charges: Charges) -> Verdict:
        assert self._banned_until is not None
        self._banned += 1
        return Verdict(418, self._banned_until - now, (), charges)


def _seconds(instant: int | None, origin: int) -> float | None:
    return None if instant is None else (instant - origin) / 1e9
