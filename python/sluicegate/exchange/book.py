"""`Book`: all rules of the exchange objects that share a throttler, as limits of that throttler."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

from sluicegate._core import Throttler
from sluicegate._share.both_scopes import both_scopes
from sluicegate.exchange.gate import Gate
from sluicegate.exchange.rules import Rule
from sluicegate.exchange.waits import Waits
from sluicegate.limits import LinkedLimitWeightPair, RateLimit

_NO_LIMIT = 1 << 62
_BOOKS: WeakValueDictionary[int, Book] = WeakValueDictionary()
_BOOKS_LOCK = threading.Lock()


class Reader(Protocol):
    """Whose calls the rules limit."""

    def calls(self, rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
        """The calls that some of the rules cover, with the functions they are charged to."""

    def priority(self, call: str) -> int:
        """Who goes first of the calls that wait."""

    def follow(self, gates: dict[str, Gate]) -> None:
        """Has every call pass its gate from now on; those with none are not limited."""


class Book:
    """The present rules, and the limits of a throttler that they become.

    Args:
        throttler: Where the limits are. Others that it has are left as they are.
        both: Whether each rule counts for the account and for the address.
    """

    def __init__(self, throttler: Throttler, *, both: bool = False) -> None:
        """A book without rules."""
        self._throttler = throttler
        self._both = both
        self.waits: Waits | None = None
        """Where waits and refusals are counted; refusals are logged one by one where it is None."""
        self._rules: dict[str, Rule] = {}
        self._readers: WeakSet[Reader] = WeakSet()
        self._own: set[str] = set()
        self._lock = threading.RLock()

    @classmethod
    def of(cls, throttler: Throttler, *, both: bool = False) -> Book:
        """The one book of a throttler; a new one counts for both, if that is asked for."""
        with _BOOKS_LOCK:
            # A book keeps its throttler, so that no other object gets the same id meanwhile.
            return _BOOKS.setdefault(id(throttler), cls(throttler, both=both))

    def join(self, reader: Reader) -> None:
        """Adds an object whose calls the rules limit."""
        with self._lock:
            self._readers.add(reader)
            self._install(self._rules)

    def set(self, rule: Rule) -> None:
        """Applies a rule: it replaces the one for the same functions, or ends it.

        Raises:
            ValueError: The throttler refuses it; then everything is as it was.
        """
        with self._lock:
            rules = {**self._rules, rule.id: rule}
            if rule.max_calls is None:
                del rules[rule.id]
            self._install(rules)

    def repair(self) -> None:
        """Applies all rules anew, in case the throttler's limits were replaced."""
        with self._lock:
            known = {limit.limit_id for limit in self._throttler.rate_limits}
            if not self._own <= known:
                self._install(self._rules)

    def _install(self, rules: dict[str, Rule]) -> None:
        own = {rule.id: rule.limit() for rule in rules.values()}
        gates = [(reader, self._gates(reader, rules, own)) for reader in self._readers]
        limits = self._throttler.rate_limits
        ours = self._own | own.keys()
        others = [limit for limit in limits if limit.limit_id not in ours]
        # Calls under way still know the old gates. A call whose gate is gone gets its new one.
        table = both_scopes(own.values()) if self._both else list(own.values())
        self._throttler.set_rate_limits([*others, *table])
        self._rules, self._own = rules, {limit.limit_id for limit in table}
        for reader, of_reader in gates:
            reader.follow(of_reader)

    def _gates(
        self, reader: Reader, rules: dict[str, Rule], own: dict[str, RateLimit]
    ) -> dict[str, Gate]:
        gates = {}
        for call, functions in reader.calls(rules.values()).items():
            covering = [rule for rule in rules.values() if rule.covers(functions)]
            refusing = [rule for rule in covering if not rule.delay]
            gates[call] = Gate(
                throttler=self._throttler,
                rules=tuple(covering),
                route=_route(covering, own),
                refusing=_route(refusing, own) if refusing else None,
                priority=reader.priority(call),
            )
        return gates


def _route(rules: list[Rule], own: dict[str, RateLimit]) -> str:
    """The id that takes from all of some rules: a limit's own, or one that is linked to several."""
    if len(rules) == 1:
        return rules[0].id
    route = " + ".join(sorted(rule.id for rule in rules))
    links = [LinkedLimitWeightPair(rule.id, 1) for rule in rules]
    own.setdefault(route, RateLimit(route, _NO_LIMIT, 1, weight=0, linked_limits=links))
    return route
