"""`Plan`: what the requests of an exchange object to one of ccxt's endpoints have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sluicegate.ccxt.by_object import ByObject
from sluicegate.ccxt.charge import Charge
from sluicegate.ccxt.pace import paced
from sluicegate.ccxt.places import Place, base_of, host_of, place_of
from sluicegate.ccxt.settings import Settings
from sluicegate.ccxt.table_of import BY_ID, budget_name

#: What is waited for: an id and units, the priority if it is not that of the id, and whether the
#: request holds it. A cost above a pace's window passes whole windows, and holds the rest.
Take = tuple[str, int, int | None, bool]

if TYPE_CHECKING:
    from sluicegate.ccxt.budget import Budget
    from sluicegate.ccxt.budgets import Budgets
    from sluicegate.ccxt.request import Request
    from sluicegate.tables import Table


class Plan:
    """What is known of an endpoint's requests before their parameters are.

    Attributes:
        base: The address of their section, for which this holds.
        host: Where they go.
        path: Their path with ccxt's `{names}`; empty if it is not known.
        settings: What the object's attributes say.
        has_table: Whether they may be in a table.
        charge: Where they are charged that are in no table.
        priority: Who goes first of these.
        takes: What these take; ``None`` if that has to be asked for at each request.
        config: What ccxt's list of endpoints said when `takes` was made.
        pace: What a request takes of a pace, beside what a table may say: the id of a limit and its
            units; ``None`` for nothing. A pace that the user did not set is for requests in no
            table (see `pace_without_table`).
    """

    __slots__ = (
        "_in_table",
        "base",
        "charge",
        "config",
        "has_table",
        "host",
        "pace",
        "path",
        "priority",
        "settings",
        "takes",
    )

    def __init__(
        self, budgets: Budgets, request: Request, settings: Settings, base: object, place: Place
    ) -> None:
        """Finds the budget, and the pace in it."""
        exchange_id = request.exchange.id
        # A pace is one of the address: only a table, or a store, knows limits of accounts.
        account = settings.account if budgets.is_shared else ""
        egress = settings.egress
        budget = budgets.of(budget_name(exchange_id, place.host), egress, account)
        self.base = base
        self.host, self.path = place.host, place.path
        self.settings = settings
        self.has_table = bool(place.path) and exchange_id in BY_ID
        self.charge = self._in_table = Charge(budget, egress, account, place.path, None)
        self.priority = budgets.priorities.of_path(request.api, request.method, request.path)
        self.pace = None if self.has_table and not settings.is_own_pace else self._pace()
        self.takes: tuple[Take, ...] | None = None
        self.config = dict(request.listed)
        # A cost that is listed alone is the same for all parameters.
        listed = settings.costs_as_listed and self.config.keys() == {"cost"}
        if listed and not self.has_table and self.pace is not None and request.cost > 0:
            pace_id, units, windows, _ = paced(*self.pace, request.cost)
            if not windows:
                self.takes = ((pace_id, units, self.priority, True),)

    def _pace(self) -> tuple[str, int] | None:
        pace, charge = self.settings.pace, self.charge
        return None if pace is None else (charge.budget.pace(pace, charge.egress), pace.units)

    def pace_without_table(self) -> tuple[str, int] | None:
        """What a request takes that turned out to be in no table."""
        return self.pace or self._pace()

    def charge_in(self, table: Table, path: str) -> Charge:
        """Where a request is charged that is in a table: mostly as the one before it was."""
        charge = self._in_table
        if charge.table is not table or charge.path != path:
            settings = self.settings
            charge = Charge(self.charge.budget, settings.egress, settings.account, path, table)
            self._in_table = charge
        return charge

    def path_for(self, exchange: Any, params: Any) -> str:
        """The path with parameters in the place of ccxt's names."""
        if "{" not in self.path or not isinstance(params, Mapping):
            return self.path
        path: str = exchange.implode_params(self.path, params)
        return path


class Plans:
    """The plans of one exchange object, for as long as its attributes say the same.

    Attributes:
        settings: What they say.
        latest: The budget of the object's latest request; ``None`` before the first one.
        known: By method, path and section.
    """

    __slots__ = ("known", "latest", "settings")

    def __init__(self, settings: Settings, latest: Budget | None) -> None:
        """None yet."""
        self.settings = settings
        self.latest = latest
        self.known: dict[tuple[str, str, object], Plan] = {}


class PlansByObject:
    """The plans of all exchange objects.

    Args:
        budgets: Where budgets are.
        meet: Called with the class of each object that makes its first request.
    """

    def __init__(self, budgets: Budgets, meet: Callable[[type], None]) -> None:
        """None yet."""
        self._budgets = budgets
        self._meet = meet
        self._known: ByObject[Plans] = ByObject()

    def of(self, exchange: Any) -> Plans:
        """Those of an object as it is now."""
        plans = self._known.get(exchange)
        if plans is None or not plans.settings.are_those_of(exchange):
            latest = None if plans is None else plans.latest
            plans = self._known.put(exchange, Plans(Settings(exchange), latest))
            self._budgets.priorities.meet(exchange)
            self._meet(type(exchange))
        return plans

    def for_request(self, request: Request) -> Plan:
        """The plan of a request, made at the first of its kind."""
        exchange, api = request.exchange, request.api
        plans = self.of(exchange)
        # Older versions of ccxt name a section, newer ones have a list, nearly always of one name.
        section = api[0] if api.__class__ is list and len(api) == 1 else api
        base = host_of(exchange) if api is None else base_of(exchange, section)
        if section.__class__ is not str:
            section = tuple(section or ())
        key = request.method, request.path, section
        plan = plans.known.get(key)
        if plan is None or plan.base != base:
            if api is None:
                place = Place(host_of(exchange), "", True)
            else:
                place = place_of(exchange, api, request.method, request.path, request.params)
            plan = Plan(self._budgets, request, plans.settings, base, place)
            if place.is_seen:
                plans.known[key] = plan
        plans.latest = plan.charge.budget
        return plan
