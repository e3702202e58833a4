"""All budgets of this process: one for each exchange and what it counts together."""

from __future__ import annotations

from dataclasses import replace

from sluicegate._core import ManualClock
from sluicegate._fork_lock import ForkLock
from sluicegate._priorities import Priorities
from sluicegate.ccxt.budget import Budget
from sluicegate.ccxt.priorities import RequestPriorities
from sluicegate.share import Share


class Budgets:
    """Finds the budget of a request.

    Without a share there is one throttler for each exchange, and a limit of it for each egress and
    account. With a share a throttler has one address and one account, as the store knows it; its
    limits meet in the store.

    Args:
        share: Where budgets are shared with other processes. Its account and address are names that
            go before those of each budget.
        clock: For tests.
        priorities: Which requests go first.

    Attributes:
        priorities: The same.
    """

    def __init__(
        self,
        share: Share | None = None,
        clock: ManualClock | None = None,
        priorities: Priorities = True,
    ) -> None:
        """None yet."""
        self.share = share
        self._clock = clock
        self.priorities = RequestPriorities(priorities)
        self._lock = ForkLock()
        self._found: dict[tuple[str, str, str], Budget] = {}

    @property
    def is_shared(self) -> bool:
        """Whether other processes take part."""
        return self.share is not None

    def of(self, name: str, egress: str, account: str) -> Budget:
        """The budget of an exchange, by its name (see `budget_name`).

        Raises:
            StoreError: The store cannot be used.
        """
        key = (name, "", "") if self.share is None else (name, egress, account)
        return self._found.get(key) or self._make(key)

    def _make(self, key: tuple[str, str, str]) -> Budget:
        with self._lock:
            if key not in self._found:
                share = self.share and self._named(self.share, *key)
                self._found[key] = Budget(share, self._clock, self.priorities)
            return self._found[key]

    @staticmethod
    def _named(share: Share, name: str, egress: str, account: str) -> Share:
        address = "/".join(filter(None, (share.address, name, egress)))
        named = "/".join(filter(None, (share.account, name, account)))
        return replace(share, address=address, account=named)

    def close(self) -> None:
        """Gives back what is held of shared budgets."""
        if self.priorities.unused is not None:
            self.priorities.unused.tell()
        with self._lock:
            found, self._found = self._found, {}
        for budget in found.values():
            budget.throttler.close()
