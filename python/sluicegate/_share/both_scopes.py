"""`both_scopes`: a table whose limits count for the account and for the address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sluicegate.limits import LinkedLimitWeightPair, RateLimit

_ENDLESS = 1 << 59
"""From here on, a limit limits nothing."""


def twin(limit_id: str) -> str:
    """The id of the limit that counts for the address what another one counts for the account."""
    return f"{limit_id} (address)"


def both_scopes(table: Iterable[RateLimit]) -> list[RateLimit]:
    """The table, and for each of its limits a second one, from which each request takes as much.

    Where nobody knows whether an exchange counts accounts or addresses, this is never over,
    whichever it is, and however accounts and addresses are spread over processes.
    """
    # Of rows with the same id, the last one stands.
    rows = {row.limit_id: row for row in table}
    twins = {
        row.limit_id for row in rows.values() if row.limit is not None and row.limit < _ENDLESS
    }

    def doubled(row: RateLimit) -> RateLimit:
        links = row.linked_limits or []
        taken = [(row.limit_id, row.weight), *((link.limit_id, link.weight) for link in links)]
        more = [
            LinkedLimitWeightPair(twin(limit_id), units)
            for limit_id, units in taken
            if limit_id in twins
        ]
        return replace(row, scope="account", linked_limits=[*links, *more])

    def second(row: RateLimit) -> RateLimit:
        return replace(
            row, limit_id=twin(row.limit_id), scope="address", weight=0, linked_limits=None
        )

    return [
        *(doubled(row) for row in rows.values()),
        *(second(row) for row in rows.values() if row.limit_id in twins),
    ]
