"""`Scope`: the limits of one egress and one account in a budget, by the names of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluicegate import RateLimit, Throttler, Usage
from sluicegate.errors import UnknownLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Scope:
    """What `sluicegate.tables.Table.listen` needs of a throttler.

    An answer speaks of the limits of a table. A budget has each of them once for each egress or
    account: here are those of one of each, under the names of the table.

    Args:
        throttler: The budget's.
        everything: The id of the limit that all requests from the egress take from.
        names: The budget's ids by the table's.
        lock_out: Pauses all limits of the account, for so many seconds and for this reason.
    """

    def __init__(
        self,
        throttler: Throttler,
        everything: str,
        names: Mapping[str, str],
        lock_out: Callable[[float, str], None],
    ) -> None:
        """Limits may be added to the names later."""
        self._lock_out = lock_out
        self._throttler = throttler
        self._everything = everything
        self._names = names

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The limits that there are by now, as the table calls them."""
        ours = {name: told for told, name in self._names.items()}
        return [
            replace(row, limit_id=ours[row.limit_id])
            for row in self._throttler.rate_limits
            if row.limit_id in ours
        ]

    def usage(self, limit_id: str) -> Usage:
        """How much of a limit is used.

        Raises:
            UnknownLimitError: No request took from it yet.
        """
        return self._throttler.usage(self._name(limit_id))

    def observe(self, limit_id: str, **told: Any) -> None:
        """As `Throttler.observe`."""
        self._throttler.observe(self._name(limit_id), **told)

    def correct(self, limit_id: str, units: int) -> None:
        """As `Throttler.correct`."""
        self._throttler.correct(self._name(limit_id), units)

    def pause(self, limit_id: str | None = None, *, seconds: float, reason: str = "") -> None:
        """As `Throttler.pause`; without an id, of all requests from the egress."""
        name = self._everything if limit_id is None else self._name(limit_id)
        self._throttler.pause(name, seconds=seconds, reason=reason)

    def pause_scope(self, scope: str, seconds: float, reason: str = "") -> None:
        """As `Throttler.pause_scope`: of all requests from the egress, or of the account."""
        if scope == "address":
            self.pause(None, seconds=seconds, reason=reason)
        else:
            self._lock_out(seconds, reason)

    def __getattr__(self, name: str) -> Any:
        """What is not about one limit is the throttler's own."""
        return getattr(self._throttler, name)

    def _name(self, limit_id: str) -> str:
        try:
            return self._names[limit_id]
        except KeyError:
            raise UnknownLimitError(
                f"no request took from {limit_id!r} yet", limit_id, None
            ) from None
