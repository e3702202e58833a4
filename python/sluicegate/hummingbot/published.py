"""`Published`: what an exchange publishes where a connector's own table is laxer."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sluicegate import limits as core
from sluicegate.hummingbot.data_types import RateLimit
from sluicegate.hummingbot.exchanges import pool_id, table_by_name
from sluicegate.hummingbot.sharing import whole_of
from sluicegate.tables import Limit, Table

log = logging.getLogger("sluicegate.hummingbot")

_NEVER: tuple[str, Any] = ("", None)
"""No request was for an id yet."""

_said: set[tuple[str, str]] = set()
"""The connectors and ids that the log told of already."""


def least_strict(limit: Limit) -> int | None:
    """The units of a limit for the account that has most; None if that cannot be compared.

    Which tier an account has, nobody says. So nothing is held to less than its own.
    """
    if limit.kind not in ("rolling", "fixed", "first") or limit.key:
        return None
    if any(tier.interval not in (None, limit.interval) for tier in limit.tiers.values()):
        return None
    return max([limit.limit, *(tier.limit for tier in limit.tiers.values())])


class Published:
    """The limits of a connector's table that an exchange publishes as lower ones.

    Only what is the same limit is compared: a pool of the same name and interval; or the limit of
    one endpoint, of the same interval, as long as all requests for the id were to this endpoint.

    Args:
        connector: The name of the connector; the empty one has no table.
    """

    def __init__(self, connector: str) -> None:
        """Pools are known at once, endpoints by the requests."""
        self._connector = connector
        self._table: Table | None = table_by_name(connector)
        self._pools: dict[Any, Limit] = {}
        if self._table is not None:
            self._pools = {pool_id(self._table, x.name): x for x in self._table.limits}
        self._windows: dict[str, str] = {}
        self._endpoints: dict[Any, tuple[str, Limit] | None] = {}

    def held(self, limit_id: Any, limit: RateLimit, share: Decimal | None) -> RateLimit:
        """A limit, or the stricter one that the exchange publishes.

        Args:
            limit_id: The connector's id.
            limit: Its limit.
            share: The part of the whole that the limit is; None if it is the whole.
        """
        if limit_id not in self._pools and limit_id not in self._endpoints:
            return limit
        try:
            units = self._units(limit_id, limit)
            if units is None:
                return limit
            if share is not None:
                units = max(1, math.floor(units * share))
            held = copy.copy(limit)
            held.limit = min(limit.limit, units)
        except (TypeError, ValueError, ArithmeticError):
            return limit  # What is no number, the gate refuses by its name.
        return held

    def _units(self, limit_id: Any, limit: RateLimit) -> int | None:
        """How large a limit is at most; None if the connector's own number holds."""
        found = self._pools.get(limit_id)
        if found is None:
            endpoint = self._endpoints.get(limit_id)
            found = None if endpoint is None else endpoint[1]
        whole, interval = whole_of(limit), float(limit.time_interval)
        if found is None or not math.isclose(found.interval, interval):
            return None
        units = least_strict(found)
        if units is None or units >= whole:
            return None
        self._say(limit_id, whole, interval, units)
        return units

    def learn(self, limit_id: Any, limit: RateLimit, endpoint_id: str, own: Limit) -> bool:
        """A request for an id was to this endpoint. Returns whether another number holds now.

        Args:
            limit_id: The connector's id.
            limit: Its limit.
            endpoint_id: The endpoint's.
            own: The endpoint's own limit.
        """
        known = self._endpoints.get(limit_id, _NEVER)
        if self._table is None or known is None or known[0] == endpoint_id:
            return False
        before = self._units(limit_id, limit)
        # If the id is for several endpoints, the limit of one of them is not its own.
        self._endpoints[limit_id] = (endpoint_id, own) if known is _NEVER else None
        return self._units(limit_id, limit) != before

    def beside(self, rows: list[core.RateLimit], margin: float) -> list[core.RateLimit]:
        """A gate's rows, and the windows of the exchange's clock in which it counts their pools.

        The pool stays as the connector has it. But what a header tells is of such a window: in a
        rolling one nobody could say which of the own units are among it.

        Args:
            rows: The rows.
            margin: The share of the interval for which units stay longer.
        """
        windows = {
            row.limit_id: core.RateLimit(
                self._window_name(row.limit_id), row.limit, pool.interval, kind="fixed"
            )
            for row in rows
            if (pool := self._pools.get(row.limit_id)) is not None
            and pool.kind == "fixed"
            and pool.told_by
            and not pool.key
            and isinstance(row.time_interval, (int, float))
            and math.isclose(row.time_interval, pool.interval * (1 + margin))
        }
        self._windows = {name: window.limit_id for name, window in windows.items()}
        if not windows:
            return rows
        return [*(_linked(row, windows) for row in rows), *windows.values()]

    def window_of(self, limit_id: str) -> str:
        """The id of the window in which the exchange counts a pool; the pool's own without one."""
        return self._windows.get(limit_id, limit_id)

    def counts(self, table: Table) -> bool:
        """Whether there are windows of the clock of this table's exchange."""
        return table is self._table and bool(self._windows)

    def _window_name(self, limit_id: str) -> str:
        return f"{limit_id} (windows of {self._table.name if self._table else ''})"

    def _say(self, limit_id: Any, limit: Any, interval: float, units: int) -> None:
        if (self._connector, str(limit_id)) in _said:
            return
        _said.add((self._connector, str(limit_id)))
        log.warning(
            "%s: %s is %s in %g s in the connector's own table; the exchange publishes %s (table "
            "%s), which holds. This is said once.",
            self._connector,
            limit_id,
            f"{limit:,}",
            interval,
            f"{units:,}",
            "?" if self._table is None else self._table.name,
        )


def _linked(row: core.RateLimit, windows: dict[str, core.RateLimit]) -> core.RateLimit:
    """A row that takes from the windows of its pools, too."""
    links = list(row.linked_limits or [])
    if row.limit_id in windows:
        links.append(core.LinkedLimitWeightPair(windows[row.limit_id].limit_id, row.weight))
    for link in row.linked_limits or []:
        if link.limit_id in windows:
            name = windows[link.limit_id].limit_id
            links.append(core.LinkedLimitWeightPair(name, link.weight))
    return replace(row, linked_limits=links)
