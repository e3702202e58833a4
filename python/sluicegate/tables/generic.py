"""`generic`: the table of an exchange of which nothing is known but what HTTP itself says."""

from sluicegate.tables.refusal import STANDARD_REFUSALS
from sluicegate.tables.table import Table


def generic(name: str = "exchange") -> Table:
    """A table that knows no limit, and listens to 429, 418 and `Retry-After` only.

    Args:
        name: What messages call the exchange.
    """
    return Table((), (), name=name, refusals=STANDARD_REFUSALS)
