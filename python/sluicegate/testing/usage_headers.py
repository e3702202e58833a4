"""`usage_headers`: the response headers that tell how much of each limit is used."""

from sluicegate.testing.habits import Habits
from sluicegate.testing.ledger import Charges


def usage_headers(charges: Charges, now: int, habits: Habits) -> dict[str, str]:
    """What an answer tells of the limits that its request takes from.

    Args:
        charges: What it takes from, as it counts at `now`.
        now: The instant of the verdict.
        habits: Which headers have other names, or are left out.
    """
    headers = {}
    for account, _ in charges:
        limit = account.limit
        name = habits.header(limit.name, limit.header_name)
        if name is not None:
            headers[name] = str(account.charged.used)
    return headers
