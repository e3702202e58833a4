"""`Charges`: what each request takes, and of which budget."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from sluicegate import Throttler
from sluicegate.ccxt.budget import Budget
from sluicegate.ccxt.budgets import Budgets
from sluicegate.ccxt.by_object import ByObject
from sluicegate.ccxt.charge import Charge
from sluicegate.ccxt.defaults import pace_of_class
from sluicegate.ccxt.egress import account_of, egress_of
from sluicegate.ccxt.first_answers import FirstAnswers
from sluicegate.ccxt.pace import Pace, units_of
from sluicegate.ccxt.places import Places, host_of
from sluicegate.ccxt.request import Request
from sluicegate.ccxt.table_of import BY_ID, budget_name, find
from sluicegate.ccxt.websockets import METHOD, exchange_of, path_of
from sluicegate.exchange.gate import Pass
from sluicegate.exchange.limits import Limits
from sluicegate.exchange.requests import REQUEST, limits_of
from sluicegate.tables import Route, Table
from sluicegate.tables.generic import generic

#: What is heard of an exchange that sluicegate has no table of: 429, 418, `Retry-After`.
_UNKNOWN = generic("ccxt")

#: What is waited for: a throttler, the id, units; and before it: how often, and units each time;
#: and the priority, if it is not that of the id.
Take = tuple[Throttler, str, int, tuple[int, int], int | None]


class Charges:
    """Charges requests to budgets.

    Where sluicegate has a table of the exchange, it says what a request takes; and a pace that the
    user set holds besides. Elsewhere ccxt's own pace and costs hold.

    Args:
        budgets: Where they are.
    """

    def __init__(self, budgets: Budgets) -> None:
        """Nothing is charged yet."""
        self.budgets = budgets
        self._places = Places()
        self._firsts = FirstAnswers()
        self._latest: ByObject[Budget] = ByObject()

    def budget_of(self, exchange: Any) -> Budget:
        """The budget of an object's latest request; of its public address before the first one."""
        found = self._latest.get(exchange)
        if found is None:
            name = budget_name(exchange.id, host_of(exchange))
            found = self.budgets.of(name, egress_of(exchange), account_of(exchange))
        return found

    def enter(self, request: Request) -> None:
        """Waits in a thread until a request may leave; it holds what it takes."""
        rules = limits_of(request.exchange)
        takes = self._takes(request, bool(rules))
        self._firsts.wait(request)
        for limits in rules:
            entered = limits.enter(REQUEST, priority=request.priority)
            request.held.append(_passed(entered, limits))
        for throttler, limit_id, units, whole, priority in takes:
            for _ in range(whole[0]):
                with throttler.execute_task(limit_id, units=whole[1], priority=priority):
                    pass
            task = throttler.execute_task(limit_id, units=units, priority=priority)
            task.__enter__()
            request.held.append(task)
        request.sent = time.monotonic()

    async def enter_async(self, request: Request) -> None:
        """The same in an event loop."""
        rules = limits_of(request.exchange)
        takes = self._takes(request, bool(rules))
        await self._firsts.wait_async(request)
        for limits in rules:
            entered = await limits.enter_async(REQUEST, priority=request.priority)
            request.held.append(_passed(entered, limits))
        for throttler, limit_id, units, whole, priority in takes:
            for _ in range(whole[0]):
                async with throttler.execute_task(limit_id, units=whole[1], priority=priority):
                    pass
            task = throttler.execute_task(limit_id, units=units, priority=priority)
            await task.__aenter__()
            request.held.append(task)
        request.sent = time.monotonic()

    def listen(
        self, request: Request | None, exchange: Any, code: int, url: str, headers: Any, body: Any
    ) -> None:
        """Hears what an answer says about limits.

        Args:
            request: What was asked; ``None`` if the user calls ccxt's `fetch` directly.
            exchange: The object that asked.
            code: The HTTP status.
            url: Where.
            headers: As ccxt has them.
            body: The same.
        """
        charge = None if request is None else request.charge
        if request is None or charge is None:
            name = budget_name(exchange.id, urlsplit(url).netloc)
            egress, account = egress_of(exchange), account_of(exchange)
            scope = _heard(self.budgets.of(name, egress, account), egress, account)
            _UNKNOWN.listen(scope, "GET", url, code, headers, body)
            return
        scope = _heard(charge.budget, charge.egress, charge.account)
        table = charge.table or _UNKNOWN
        path = charge.path or url
        elapsed = time.monotonic() - request.sent if request.sent else None
        query = request.params
        try:
            table.listen(
                scope, request.method, path, code, headers, body, query=query, elapsed=elapsed
            )
        finally:
            # What it said is known by now: nobody goes before that.
            request.answered()

    @asynccontextmanager
    async def websocket(self, client: Any, name: str, params: Any) -> AsyncIterator[None]:
        """Holds what a message takes, or a new connection, while it is under way.

        That is nothing where the exchange's table has no limit for it; ccxt's own pace of each
        connection holds in any case.
        """
        exchange = exchange_of(client)
        if exchange is None or not name or not exchange.enableRateLimit:
            yield
            return
        found = find(exchange.id, "", METHOD, path_of(client, name), params)
        if found is None:
            yield
            return
        egress, account = egress_of(exchange), account_of(exchange)
        budget = self.budgets.of(found[0].name, egress, account)
        async with budget.throttler.execute_task(budget.route(*found, egress, account)):
            yield

    def _takes(self, request: Request, has_rules: bool) -> list[Take]:
        """What a request takes, each to be waited for in this order.

        Args:
            request: The request. It knows its priority afterwards, where that is asked for.
            has_rules: Whether rules of the user's ask for the priority.
        """
        exchange = request.exchange
        egress = egress_of(exchange)
        if request.api is None:
            host, path, found = host_of(exchange), "", None
        else:
            api, method, params = request.api, request.method, request.params
            place = self._places.of(exchange, api, method, request.path, params)
            host, path, found = place.host, place.path, None
            if path and exchange.id in BY_ID:
                path = place.path_for(exchange, params)
                found = find(exchange.id, host, method, path, params)
        # A pace is one of the address: only a table, or a store, knows limits of accounts.
        account = "" if found is None and not self.budgets.is_shared else account_of(exchange)
        budget = self.budgets.of(budget_name(exchange.id, host), egress, account)
        if self._latest.get(exchange) is not budget:
            self._latest.put(exchange, budget)
        takes: list[Take] = []
        pace = Pace.of(exchange)
        paces = (
            pace is not None
            and (found is None or pace != pace_of_class(exchange))
            and request.cost > 0
        )
        if paces or has_rules:
            request.priority = self._priority(request, path, found)
        if paces and pace is not None:
            takes.append(_paced(budget, pace, egress, request))
        table = None
        if found is not None:
            table, route = found
            limit_id = budget.route(table, route, egress, account)
            # All requests that the table does not know have one id.
            own = None if route.endpoint else self._priority(request, path, found)
            takes.append((budget.throttler, limit_id, 1, (0, 0), own))
        request.charge = Charge(budget, egress, account, path, table)
        return takes

    def _priority(self, request: Request, path: str, found: tuple[Table, Route] | None) -> int:
        priorities = self.budgets.priorities
        if found is not None:
            return priorities.of_route(found[1], request.method, path)
        return priorities.of_path(request.api, request.method, request.path)


def _paced(budget: Budget, pace: Pace, egress: str, request: Request) -> Take:
    """What a cost takes of a pace. More than fits in a window takes whole windows before."""
    units, most = units_of(request.cost), pace.units
    windows = (units - 1) // most
    before, rest = (windows, most), units - windows * most
    return budget.throttler, budget.pace(pace, egress), rest, before, request.priority


def _passed(entered: Pass | None, limits: Limits) -> Pass:
    """What a request holds of the rules for all requests.

    Raises:
        ccxt.RateLimitExceeded: A rule has no room, and does not delay. A request in the midst of a
            call cannot be left out.
    """
    if entered is None:
        from ccxt import RateLimitExceeded

        raise RateLimitExceeded(limits.last_error)
    return entered


def _heard(budget: Budget, egress: str, account: str) -> Throttler:
    """What `Table.listen` tells: it has all of a throttler that this asks for."""
    return cast("Throttler", budget.scope(egress, account))
