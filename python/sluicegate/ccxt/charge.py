"""`Charge`: where one request is charged."""

from __future__ import annotations

from sluicegate.ccxt.budget import Budget
from sluicegate.tables import Table


class Charge:
    """Where requests are charged, which their answers are then heard for.

    Attributes:
        budget: The budget.
        egress: The proxy through which it goes; empty for none.
        account: The account that it is for; empty for none.
        path: Its path at the exchange; empty if it is not known.
        table: The table that it is in; ``None`` if sluicegate has none of this exchange.
        is_answered: Whether the first request from this egress and for this account is known to be
            answered: nobody waits for that any more.
    """

    __slots__ = ("account", "budget", "egress", "is_answered", "path", "table")

    def __init__(
        self, budget: Budget, egress: str, account: str, path: str, table: Table | None
    ) -> None:
        """For requests of one kind."""
        self.budget = budget
        self.egress, self.account = egress, account
        self.path, self.table = path, table
        self.is_answered = False
