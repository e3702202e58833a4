"""`Charges`: what each request takes, and of which budget."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any, cast
from urllib.parse import urlsplit

from sluicegate import Task, Throttler
from sluicegate.ccxt.budget import Budget
from sluicegate.ccxt.budgets import Budgets
from sluicegate.ccxt.charge import Charge
from sluicegate.ccxt.egress import account_of, egress_of, tier_of
from sluicegate.ccxt.first_answers import FirstAnswers
from sluicegate.ccxt.pace import paced
from sluicegate.ccxt.places import host_of
from sluicegate.ccxt.plan import PlansByObject, Take
from sluicegate.ccxt.request import Request
from sluicegate.ccxt.table_of import budget_name, find
from sluicegate.ccxt.websockets import METHOD, exchange_of, path_of
from sluicegate.exchange.gate import Pass
from sluicegate.exchange.limits import Limits
from sluicegate.exchange.requests import REQUEST, limits_of
from sluicegate.tables.generic import generic

#: What is heard of an exchange that sluicegate has no table of: 429, 418, `Retry-After`.
_UNKNOWN = generic("ccxt")
#: All of its requests are one: nothing of what was asked decides what an answer means.
_PLAIN = _UNKNOWN.route("GET", "/")


class Charges:
    """Charges requests to budgets.

    Where sluicegate has a table of the exchange, it says what a request takes; and a pace that the
    user set holds besides. Elsewhere ccxt's own pace and costs hold.

    Args:
        budgets: Where they are.
        meet: Called with the class of each object that makes its first request.
    """

    def __init__(self, budgets: Budgets, meet: Callable[[type], None]) -> None:
        """Nothing is charged yet."""
        self.budgets = budgets
        self._plans = PlansByObject(budgets, meet)
        self._firsts = FirstAnswers()

    def budget_of(self, exchange: Any) -> Budget:
        """The budget of an object's latest request; of its public address before the first one."""
        plans = self._plans.of(exchange)
        if plans.latest is not None:
            return plans.latest
        name = budget_name(exchange.id, host_of(exchange))
        return self.budgets.of(name, plans.settings.egress, plans.settings.account)

    def task_of(self, request: Request) -> Task | None:
        """What a request has to enter, and holds then.

        Nearly every request takes from one id, and has nothing else to wait for. For others, this
        is ``None``, and `enter` or `enter_async` must follow.
        """
        rules = limits_of(request.exchange)
        request.charge, takes = charge, takes = self._takes(request, bool(rules))
        is_answered = charge.is_answered or self._firsts.is_over(charge)
        if is_answered and not rules and takes.__class__ is tuple and len(takes) == 1:
            limit_id, units, priority, _ = takes[0]
            return charge.budget.throttler.execute_task(limit_id, units, None, priority)
        request.rest = rules, takes
        return None

    def enter(self, request: Request) -> None:
        """Waits in a thread until a request may leave that has no single task."""
        rules, takes = request.rest
        charge = cast("Charge", request.charge)
        held: list[Task | Pass] = []
        request.held = held
        if not (charge.is_answered or self._firsts.is_over(charge)):
            self._firsts.wait(request)
        for limits in rules:
            entered = limits.enter(REQUEST, priority=request.priority)
            held.append(_passed(entered, limits))
        throttler = charge.budget.throttler
        for limit_id, units, priority, stays in takes:
            task = throttler.execute_task(limit_id, units, None, priority)
            task.__enter__()
            if stays:
                held.append(task)
            else:
                task.__exit__(None, None, None)
        request.sent = time.monotonic()

    async def enter_async(self, request: Request) -> None:
        """The same in an event loop."""
        rules, takes = request.rest
        charge = cast("Charge", request.charge)
        held: list[Task | Pass] = []
        request.held = held
        if not (charge.is_answered or self._firsts.is_over(charge)):
            await self._firsts.wait_async(request)
        for limits in rules:
            entered = await limits.enter_async(REQUEST, priority=request.priority)
            held.append(_passed(entered, limits))
        throttler = charge.budget.throttler
        for limit_id, units, priority, stays in takes:
            task = throttler.execute_task(limit_id, units, None, priority)
            await task.__aenter__()
            if stays:
                held.append(task)
            else:
                await task.__aexit__(None, None, None)
        request.sent = time.monotonic()

    def enter_alone(self, request: Request) -> None:
        """Waits in a thread for the pace that the user asks for, and holds nothing after it."""
        task = self.task_of(request)
        try:
            if task is None:
                self.enter(request)
            else:
                task.__enter__()
                request.task = task
        finally:
            request.leave()

    async def enter_alone_async(self, request: Request) -> None:
        """The same in an event loop."""
        task = self.task_of(request)
        try:
            if task is None:
                await self.enter_async(request)
            else:
                await task.__aenter__()
                request.task = task
        finally:
            request.leave()

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
        elapsed = time.monotonic() - request.sent if request.sent else None
        table, route = _UNKNOWN, _PLAIN
        try:
            if charge.table is not None:
                table = charge.table
                route = table.route(request.method, charge.path or url, request.params)
            table._listener.listen(scope, route, code, headers, body, None, elapsed)
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
        tier = tier_of(exchange)
        found = find(exchange.id, "", METHOD, path_of(client, name), params, tier)
        if found is None:
            yield
            return
        egress, account = egress_of(exchange), account_of(exchange)
        budget = self.budgets.of(found[0].name, egress, account)
        async with budget.throttler.execute_task(budget.route(*found, egress, account)):
            yield

    def _takes(self, request: Request, has_rules: bool) -> tuple[Charge, Iterable[Take]]:
        """Where a request is charged, and what it takes, each to be waited for in this order.

        Args:
            request: The request. It knows its priority afterwards, where that is asked for.
            has_rules: Whether rules of the user's ask for the priority.
        """
        plan = self._plans.for_request(request)
        if (unused := self.budgets.priorities.unused) is not None:
            unused.look()
        charge, pace = plan.charge, plan.pace
        request.priority = plan.priority
        if plan.takes is not None and plan.config == request.config:
            return charge, plan.takes
        takes: list[Take]
        route_id = own = None
        if plan.has_table:
            exchange, method, params = request.exchange, request.method, request.params
            path = plan.path_for(exchange, params)
            found = find(exchange.id, plan.host, method, path, params, plan.settings.tier)
            if found is None:
                pace = plan.pace_without_table()
            else:
                table, route = found
                egress, account = plan.settings.egress, plan.settings.account
                # All requests that the table does not know have one id; of others, the id says it.
                if has_rules or route.endpoint is None:
                    request.priority = self.budgets.priorities.of_route(route, method, path)
                    own = request.priority if route.endpoint is None else None
                route_id = charge.budget.route(table, route, egress, account)
                charge = plan.charge_in(table, path)
        if pace is None or (cost := request.cost) <= 0:
            return charge, () if route_id is None else ((route_id, 1, own, True),)
        pace_id, units, windows, most = paced(*pace, cost)
        if route_id is None:
            priority, takes = request.priority, [(pace_id, units, request.priority, True)]
        else:
            together = charge.budget.with_pace(route_id, pace_id, units)
            if together is not None and not windows:
                return charge, ((together, 1, own, True),)
            priority = self.budgets.priorities.of_route(route, method, path)
            takes = [(pace_id, units, priority, True), (route_id, 1, own, True)]
            if together is not None:
                takes = [(together, 1, own, True)]
        return charge, chain(repeat((pace_id, most, priority, False), windows), takes)


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
