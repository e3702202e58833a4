"""`AnswerScope`: a connector's throttler, and all of its address, by the names of a table."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluicegate import RateLimit, Usage
from sluicegate.errors import UnknownLimitError
from sluicegate.hummingbot.address import Address, Closed
from sluicegate.hummingbot.exchanges import pool_id
from sluicegate.hummingbot.sharing import whole_of
from sluicegate.tables import Limit, Route, Table

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler

log = logging.getLogger("sluicegate.hummingbot")


class AnswerScope:
    """What `sluicegate.tables.Table.listen` needs of a throttler.

    An answer speaks of the limits of a table. A connector has limits of its own: the same pools, by
    the table's name or another (see `POOLS`); and for the limit of an endpoint the id of the
    request, if it has the same interval. A limit of the address is everybody's who asks this
    exchange.

    Args:
        table: The exchange's.
        route: What the request is in it.
        address: All who ask this exchange.
        throttler: The one that let the request pass; None if it was Hummingbot's own.
        limit_id: What it was asked for.
    """

    def __init__(
        self,
        table: Table,
        route: Route,
        address: Address,
        throttler: AsyncThrottler | None,
        limit_id: str | None,
    ) -> None:
        """For one answer."""
        self._route = route
        self._table = table
        self._address = address
        self._throttler = throttler
        self._limit_id = limit_id

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The connector's limits, the pools by their names in the table."""
        if self._throttler is None:
            return []
        names = {pool_id(self._table, x.name): x.name for x in self._table.limits}
        return [
            replace(row, limit_id=names.get(row.limit_id, row.limit_id))
            for row in self._throttler.rate_limits
        ]

    def usage(self, limit_id: str) -> Usage:
        """How much of a limit is used.

        Raises:
            UnknownLimitError: The connector has no such limit.
        """
        throttler, own = self._own(limit_id)
        return throttler.usage(own)

    def observe(self, limit_id: str, **told: Any) -> None:
        """As `Throttler.observe`, for all who take from this limit.

        Raises:
            UnknownLimitError: The connector has no such limit.
        """
        limit = self._limit(limit_id)
        try:
            throttler, own = self._own(limit_id)
        except UnknownLimitError:
            if self._throttler is not None:
                raise
        else:
            _observe(throttler, own, limit, told)
        if limit is not None and limit.scope == "address":
            for other, name in self._others(limit_id):
                try:
                    _observe(other, name, limit, told)
                except Exception:
                    log.debug("another throttler could not be told", exc_info=True)

    def set_server_time(self, seconds: float, uncertainty: float) -> None:
        """As `Throttler.set_server_time`, for all who count in windows of this exchange's clock."""
        for throttler in list(self._address.throttlers):
            if throttler._published.counts(self._table):
                throttler.set_server_time(seconds, uncertainty)

    def correct(self, limit_id: str, units: int) -> None:
        """Nothing: what a connector charges is its own, and not what the table has."""

    def pause(self, limit_id: str | None = None, *, seconds: float, reason: str = "") -> None:
        """As `Throttler.pause`, for all who take from this limit; without an id, for all."""
        if limit_id is None or self._throttler is None:
            self._address.close(Closed(), seconds, reason)
            return
        throttler, own = self._own(limit_id)
        limit = self._limit(limit_id)
        if limit is not None and limit.scope != "address":
            if throttler.usage(own).paused <= 0:
                log.warning(
                    "%s; nothing that takes from %s is sent for %.1f s", reason, own, seconds
                )
            throttler.pause(own, seconds=seconds, reason=reason)
            return
        # A limit of the connector's own is that of all who have the same table.
        self._address.close(Closed(own, limit is not None), seconds, reason)

    def _limit(self, limit_id: str) -> Limit | None:
        taken = self._route.takes.get(limit_id)
        if taken is not None:
            return taken[0]
        return next((x for x in self._table.limits if x.name == limit_id), None)

    def _own(self, limit_id: str) -> tuple[AsyncThrottler, str]:
        throttler = self._throttler
        if throttler is not None:
            limits = throttler._id_to_limit_map
            pool = pool_id(self._table, limit_id)
            if pool in limits:
                return throttler, pool
            request = limits.get(self._limit_id)
            limit = self._limit(limit_id)
            if (
                request is not None
                and limit is not None
                and limit_id == self._route.own
                and math.isclose(limit.interval, float(request.time_interval))
            ):
                return throttler, str(self._limit_id)
        raise UnknownLimitError(f"the connector has no limit {limit_id!r}", limit_id, None)

    def _others(self, limit_id: str) -> Iterator[tuple[AsyncThrottler, str]]:
        """Who else asks this exchange and has a limit, and what he calls it."""
        pool = pool_id(self._table, limit_id)
        for other in list(self._address.throttlers):
            if other is not self._throttler and pool in other._id_to_limit_map:
                yield other, pool


def _observe(
    throttler: AsyncThrottler, own: str, limit: Limit | None, told: dict[str, Any]
) -> None:
    told = _for_share(throttler, own, limit, told)
    throttler.observe(throttler._published.window_of(own), **told)


def _for_share(
    throttler: AsyncThrottler, own: str, limit: Limit | None, told: dict[str, Any]
) -> dict[str, Any]:
    """What is told of the whole limit, as it concerns a bot that may use a share of it.

    What others use is no loss for it, as long as its share is left.
    """
    row = throttler._id_to_limit_map[own]
    share = throttler.usage(own).limit
    whole = int(min(whole_of(row), 1 << 62))
    if limit is not None and math.isclose(limit.interval, float(row.time_interval)):
        whole = max(whole, limit.limit)
    if throttler._shared is not None or share >= whole:
        return told
    told = dict(told)
    if "limit" in told:
        told["limit"] = max(1, math.floor(told["limit"] * throttler.limits_pct))
    if "used" in told:
        told["used"] = max(0, told["used"] - (whole - share))
    return told
