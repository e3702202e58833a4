"""`Budget`: the limits of one exchange, and what its requests take from them."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate._core import ManualClock
from sluicegate._fork_lock import ForkLock
from sluicegate.ccxt.pace import UNIT, Pace
from sluicegate.ccxt.priorities import RequestPriorities
from sluicegate.ccxt.scope import Scope
from sluicegate.share import Share
from sluicegate.tables import Limit, Route, Table
from sluicegate.tables.made_routes import MOST
from sluicegate.tables.rate_limits import all_of

MOST_PACED = 10_000
"""Ids of requests that take from a table and from a pace at once. Costs are few in practice."""

MOST_MADE = MOST
"""Ids that are made from requests and count nothing by themselves: those asked for last are kept.
An order for several instruments has one for each set of them, so that there is no end of these."""

_RouteKey = tuple[str, str, str, str]
"""The names of a table and of a route, an egress and an account."""


class Budget:
    """One throttler for all objects of one exchange.

    Limits are added as requests need them: which proxies, accounts and paces there are, only the
    requests tell.

    Attributes:
        throttler: Counts them.
    """

    def __init__(
        self,
        share: Share | None = None,
        clock: ManualClock | None = None,
        priorities: RequestPriorities | None = None,
    ) -> None:
        """Without any limit yet.

        Raises:
            StoreError: The store of the share cannot be used.
        """
        self.throttler = Throttler([], share=share, clock=clock)
        self._priorities = priorities or RequestPriorities(True)
        self._lock = ForkLock()
        self._paces: dict[str, dict[Pace, str]] = {}
        self._rows: dict[str, RateLimit] = {}
        self._routes: dict[_RouteKey, str] = {}
        #: Ids that may be forgotten, the one asked for last at the end → what they are known as.
        self._made: dict[str, _RouteKey] = {}
        self._paced: dict[tuple[str, str, int], str] = {}
        self._names: dict[tuple[str, str], dict[str, str]] = {}
        self._locked_out: set[str] = set()

    def pace(self, pace: Pace, egress: str) -> str:
        """The id of what a pace allows from an egress."""
        known = self._paces.get(egress)
        if known is None or pace not in known:
            self._add_pace(pace, egress)
            known = self._paces[egress]
        return known[pace]

    def _add_pace(self, pace: Pace, egress: str) -> None:
        with self._lock:
            known = self._paces.get(egress, {})
            if pace in known:
                return
            name = f"rateLimit {pace.rate_limit:g} ms in {pace.window:g} ms{_at(egress)}"
            changed = {**self._paces, egress: {**known, pace: name}}
            if any(pace < other for other in known):
                # The slower ones take from this one from now on.
                self._set(changed)
            else:
                self.throttler.add_rate_limits(
                    [_everything(egress), _pace_row(pace, name, egress, changed)]
                )
            self._paces = changed

    def route(self, table: Table, route: Route, egress: str, account: str) -> str:
        """The id of a request of a table, from an egress and for an account."""
        key = (table.name, route.id, egress, account)
        known = self._routes.get(key)
        if known is not None and (not route.made or self._is_kept(known)):
            return known
        return self._add_route(key, route)

    def _is_kept(self, name: str) -> bool:
        """Whether an id is there, and stays for now: it is the one asked for last."""
        # Single steps of Python's own: no lock, which another thread could hold at a fork.
        key = self._made.pop(name, None)
        if key is not None:
            self._made[name] = key
        return name in self.throttler

    def _add_route(self, key: _RouteKey, route: Route) -> str:
        _, _, egress, account = key
        names = {
            name: name_for(name, limit, egress, account) for name, (limit, _) in route.takes.items()
        }
        takes = {names[name]: taken for name, taken in route.takes.items()}
        own = route.own and name_for(route.own, route.takes[route.own][0], egress, account)
        name = route.id + _at(egress) + _of(account)
        if route.own == route.id:
            name = own
        rows = all_of(replace(route, id=name, takes=takes, own=own))
        links = [*(rows[-1].linked_limits or ()), _link(everything(egress))]
        rows[-1].priority = self._priorities.of_route(route)
        with self._lock:
            if account in self._locked_out and any(map(_is_of_account, rows)):
                # What is new takes from what is paused for the account.
                links.append(_link(_lockout(account)))
            rows[-1].linked_limits = links
            rows.append(_everything(egress))
            self._rows.update({row.limit_id: row for row in rows if row.limit_id not in self._rows})
            self.throttler.add_rate_limits(rows)
            self._names.setdefault((egress, account), {}).update({route.id: name, **names})
            self._routes[key] = name
            if route.made and route.own != route.id:
                self._made[name] = key
                if len(self._made) > MOST_MADE:
                    self._forget_some()
        return name

    def _forget_some(self) -> None:
        """Forgets the older half of the made ids, but for those that requests wait for."""
        oldest = list(self._made)[: len(self._made) // 2]
        paced: dict[str, list[tuple[str, str, int]]] = {name: [] for name in oldest}
        for paced_key in self._paced:
            if paced_key[0] in paced:
                paced[paced_key[0]].append(paced_key)
        names = [self._paced[each] for keys in paced.values() for each in keys]
        self.throttler._forget_routes([*oldest, *names])
        for name, keys in paced.items():
            for each in keys:
                if self._paced[each] not in self.throttler:
                    del self._paced[each]
            # If the paces change, what takes from one as well is made anew from its row.
            if name in self.throttler or any(each in self._paced for each in keys):
                continue
            key = self._made.pop(name, None)
            if key is None:
                continue  # Another thread asks for it at this moment, and will find it gone.
            _, route_id, egress, account = key
            del self._routes[key], self._rows[name], self._names[egress, account][route_id]

    def with_pace(self, route_id: str, pace_id: str, units: int) -> str | None:
        """The id of a request of a table that takes so many units of a pace as well.

        It waits for both at once: of two waits, one after the other, the first one's units would
        be held through the second, and nobody could use them.

        Args:
            route_id: As `route` says.
            pace_id: As `pace` says.
            units: Of the pace; no more than it has.

        Returns:
            The id; ``None`` if there are too many by now.
        """
        key = (route_id, pace_id, units)
        return self._paced.get(key) or self._add_paced(key)

    def _add_paced(self, key: tuple[str, str, int]) -> str | None:
        with self._lock:
            if key not in self._paced and len(self._paced) < MOST_PACED:
                self.throttler.add_rate_limits([self._paced_row(key, self._paces)])
                self._paced[key] = _paced_name(*key)
            return self._paced.get(key)

    def _paced_row(self, key: tuple[str, str, int], paces: dict[str, dict[Pace, str]]) -> RateLimit:
        """A route of a table, with a pace and those that are faster as further limits."""
        route_id, pace_id, units = key
        route = self._rows[route_id]
        links = [] if route.limit is None else [_link(route_id, route.weight)]
        links.extend(route.linked_limits or ())
        links.extend(_link(name, units) for name in (pace_id, *_faster(pace_id, paces)))
        return RateLimit(
            _paced_name(*key), limit=None, linked_limits=links, priority=route.priority
        )

    def scope(self, egress: str, account: str) -> Scope:
        """The limits of an egress and an account, for what answers say."""
        with self._lock:
            self.throttler.add_rate_limits([_everything(egress)])
            names = self._names.setdefault((egress, account), {})
        lock_out = partial(self._lock_out, egress, account)
        return Scope(self.throttler, everything(egress), names, lock_out)

    def _lock_out(self, egress: str, account: str, seconds: float, reason: str) -> None:
        """Pauses all limits of an account: those of requests that come later, too."""
        row = RateLimit(_lockout(account), limit=sys.maxsize, kind="concurrent")
        with self._lock:
            self._rows[row.limit_id] = row
            self.throttler.add_rate_limits([row])
            self._locked_out.add(account)
            ids = [
                name
                for name in self._names.get((egress, account), {}).values()
                if (known := self._rows.get(name)) and _is_of_account(known)
            ]
        for limit_id in dict.fromkeys([_lockout(account), *ids]):
            self.throttler.pause(limit_id, seconds=seconds, reason=reason)

    def _set(self, paces: dict[str, dict[Pace, str]]) -> None:
        """Puts the whole table in place; what is used stays used."""
        limits = list(self._rows.values())
        for egress, known in paces.items():
            limits.append(_everything(egress))
            limits.extend(_pace_row(pace, name, egress, paces) for pace, name in known.items())
        limits.extend(self._paced_row(key, paces) for key in self._paced)
        self.throttler.set_rate_limits(limits)


def _pace_row(pace: Pace, name: str, egress: str, paces: dict[str, dict[Pace, str]]) -> RateLimit:
    return pace.rate_limit_for(name, [*_faster(name, paces), everything(egress)])


def _faster(pace_id: str, paces: dict[str, dict[Pace, str]]) -> list[str]:
    """The ids of the paces of the same egress that are faster than one."""
    for known in paces.values():
        for pace, name in known.items():
            if name == pace_id:
                return [other for faster, other in known.items() if faster < pace]
    return []


def _paced_name(route_id: str, pace_id: str, units: int) -> str:
    return f"{route_id} at {units / UNIT} units of {pace_id}"


def everything(egress: str) -> str:
    """The id of what all requests from an egress take from, so that all of them can be paused."""
    return f"all requests{_at(egress)}"


def _is_of_account(row: RateLimit) -> bool:
    return row.limit is not None and row.scope == "account"


def _lockout(account: str) -> str:
    """The id of what requests of an account take from that are new while it is locked out."""
    return f"all new requests{_of(account)}"


def _everything(egress: str) -> RateLimit:
    # Any number may be in flight: it is there to be paused.
    return RateLimit(everything(egress), limit=sys.maxsize, kind="concurrent", scope="address")


def _link(limit_id: str, units: int = 1) -> LinkedLimitWeightPair:
    return LinkedLimitWeightPair(limit_id, units)


def name_for(name: str, limit: Limit, egress: str, account: str) -> str:
    """The id of a limit, for those whose requests it counts together."""
    return name + (_at(egress) if limit.scope == "address" else _of(account))


def _at(egress: str) -> str:
    return f" via {_without_password(egress)}" if egress else ""


def _of(account: str) -> str:
    return f" of {account}" if account else ""


def _without_password(address: str) -> str:
    """An address of a proxy as it may be shown."""
    scheme, separator, rest = address.partition("://")
    return scheme + separator + rest.rpartition("@")[2] if separator else address.rpartition("@")[2]
