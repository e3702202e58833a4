"""`usage_headers`: the response headers that tell how much of each limit is used, or left."""

from sluicegate.tables.header import Header
from sluicegate.testing.account import Account
from sluicegate.testing.habits import Habits
from sluicegate.testing.ledger import Charges
from sluicegate.testing.server_clock import ServerClock
from sluicegate.testing.told import told


def usage_headers(charges: Charges, now: int, habits: Habits, clock: ServerClock) -> dict[str, str]:
    """What an answer tells of the limits that its request takes from.

    Args:
        charges: What it takes from, as it counts at `now`.
        now: The instant of the verdict.
        habits: Which headers have other names, or are left out.
        clock: The exchange's own time.
    """
    headers = {}
    for account, _ in charges:
        for header in account.headers:
            name = habits.name(header.name)
            if name:
                headers[name] = _value(account, header, now, clock)
    return headers


def _value(account: Account, header: Header, now: int, clock: ServerClock) -> str:
    used, limit = account.charged.used, account.limit
    if header.tells == "used":
        return str(used)
    if header.tells == "limit":
        return str(limit.limit)
    if header.tells == "remaining":
        return str(max(0, limit.limit - used))
    # Of a window that rolls, Bybit tells `now` as long as there is room.
    end = account.charged.empty_at(now)
    if limit.kind in ("rolling", "bucket"):
        end = account.room_at(now, 1) or now
    if end == now and header.format in ("seconds", "ms"):
        return "0"
    return told(header.format, end - now, now, clock).text or ""
