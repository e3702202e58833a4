"""`Charge`: where one request is charged."""

from __future__ import annotations

from typing import NamedTuple

from sluicegate.ccxt.budget import Budget
from sluicegate.tables import Table


class Charge(NamedTuple):
    """Where one request is charged, which its answer is then heard for.

    Attributes:
        budget: The budget.
        egress: The proxy through which it goes; empty for none.
        account: The account that it is for; empty for none.
        path: Its path at the exchange; empty if it is not known.
        table: The table that it is in; ``None`` if sluicegate has none of this exchange.
    """

    budget: Budget
    egress: str
    account: str
    path: str
    table: Table | None
