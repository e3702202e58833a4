"""`generic`: the table of an exchange of which nothing is known but what HTTP itself says."""

from sluicegate.tables.refusal import RETRY_AFTER, Refusal
from sluicegate.tables.table import Table

REFUSALS = (
    Refusal("over", (429,), wait=(RETRY_AFTER,)),
    Refusal("banned", (418,), wait=(RETRY_AFTER,)),
    # RFC 9110 has Retry-After with 503. Without one, overload pauses nothing.
    Refusal("overloaded", (503,), pauses="all", wait=(RETRY_AFTER,)),
)


def generic(name: str = "exchange") -> Table:
    """A table that knows no limit, and listens to 429, 418 and `Retry-After` only.

    Args:
        name: What messages call the exchange.
    """
    return Table((), (), name=name, refusals=REFUSALS)
