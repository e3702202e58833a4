"""`Table`: what an exchange publishes about its limits, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluicegate.tables import made_routes, rate_limits
from sluicegate.tables.answer import check_arguments, check_route, check_throttler
from sluicegate.tables.ban import BanRule
from sluicegate.tables.endpoint import OWN, Endpoint
from sluicegate.tables.header import Header
from sluicegate.tables.heard import Heard
from sluicegate.tables.limit import Limit
from sluicegate.tables.listening import Listener
from sluicegate.tables.refusal import USUAL_REFUSALS, Refusal
from sluicegate.tables.request import parameters
from sluicegate.tables.route import Route, Router
from sluicegate.tables.server_clock import DATE, ServerClock
from sluicegate.tables.source import Difference, Source
from sluicegate.tables.values import (
    check_by_name,
    check_entries,
    check_text,
    check_texts,
    is_count,
    is_number,
    read_json,
    shown,
)

if TYPE_CHECKING:
    from sluicegate import RateLimit, Throttler


ENTRIES: Mapping[str, type] = {
    "limits": Limit,
    "endpoints": Endpoint,
    "headers": Header,
    "refusals": Refusal,
    "clock": ServerClock,
    "differences": Difference,
}
"""What the lists of a table have in them."""


@dataclass(frozen=True)
class Table:
    """All limits of an exchange, what its endpoints cost, and what its answers say.

    Args:
        limits: The limits; each has its own name.
        endpoints: The endpoints. Of several for one method and path, the first that applies to the
            query stands.
        default_weights: What a request to an unknown path costs.
        ban: When a client that goes on after 429s is banned: what a stand-in exchange does.
        name: What `load` knows it by; for messages and plots.
        title: What the exchange calls its API.
        hosts: Where requests go, such as `api.binance.com`.
        headers: The headers that tell of an endpoint's own limit.
        code_field: The fields of an answer's body that have an error's code. Dots go into objects,
            and into each item of a list.
        refusals: How an answer says that a limit is exceeded. By default 429 means over and 418
            banned, both with `Retry-After`.
        clock: Where answers tell the time of the server's clock.
        sources: The pages that the facts are from, by a short name.
        not_documented: What the documents do not say.
        differences: What others' tables say otherwise, and who is right.

    Raises:
        ValueError: No limit, a name that is taken twice, an endpoint on a limit that is not there,
            a weight that is above its limit and so could never pass, or a source that is not there.
    """

    limits: tuple[Limit, ...]
    endpoints: tuple[Endpoint, ...]
    default_weights: Mapping[str, int] = field(default_factory=dict)
    ban: BanRule = field(default_factory=BanRule)
    name: str = "exchange"
    title: str = ""
    hosts: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    code_field: tuple[str, ...] = ("code",)
    refusals: tuple[Refusal, ...] = USUAL_REFUSALS
    clock: tuple[ServerClock, ...] = (DATE,)
    sources: Mapping[str, Source] = field(default_factory=dict)
    not_documented: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for what in ("name", "title"):
            check_text(f"{what} of a table", getattr(self, what))
        for what in ("hosts", "code_field", "not_documented"):
            texts = check_texts(f"{what} of a table", getattr(self, what))
            object.__setattr__(self, what, texts)
        for what, kind in ENTRIES.items():
            entries: tuple[object, ...] = check_entries(
                f"{what} of a table", getattr(self, what), kind
            )
            object.__setattr__(self, what, entries)
        check_by_name("sources of a table", self.sources, Source)
        if not isinstance(self.ban, BanRule):
            raise ValueError(f"ban of a table must be a BanRule, got {shown(self.ban)}")
        # A table of refusals alone is one of an exchange whose limits nobody knows.
        knows_none = not self.limits and not any(x.limit for x in self.endpoints)
        if knows_none and self.refusals is USUAL_REFUSALS:
            raise ValueError("a table needs at least one limit, got none")
        sizes = {limit.name: limit.limit for limit in self.limits}
        if len(sizes) < len(self.limits):
            raise ValueError(f"limit {_twice([x.name for x in self.limits])!r} is there twice")
        ids = [*sizes, *(endpoint.id for endpoint in self.endpoints)]
        if len(set(ids)) < len(ids):
            raise ValueError(f"id {_twice(ids)!r} is there twice: give one endpoint another id")
        self._check_weights(sizes)
        self._check_sources()
        for difference in self.differences:
            for pattern in difference.ids:
                if not any(fnmatchcase(known, pattern) for known in ids):
                    raise ValueError(
                        f"a difference names {pattern!r}, which is no limit and no endpoint's id"
                    )

    def find(self, method: str, path: str, query: object = None) -> str:
        """The id to ask a throttler for, of a request.

        The id of a limit with a key, such as a symbol, and of one that counts items, is made from
        the request: `POST /api/v5/trade/order [BTC-USDT]`. `prepare` adds such ids to a throttler.

        Args:
            method: `GET`, `POST`, …
            path: The path, or the URL, as text or as an object of the client. A query that it has
                counts, too.
            query: The parameters: a mapping, a query string, or a body (JSON or a form) as a
                mapping, a list, text or bytes.

        Returns:
            The id; `"*"` for a path that the table does not have.

        Raises:
            TypeError: `method` is no text, or `path` neither a text nor a URL.
        """
        return self._router.route(method, path, query).id

    def route(self, method: str, path: str, query: object = None) -> Route:
        """The id of a request (see `find`), and what it takes from which limits."""
        return self._router.route(method, path, query)

    def endpoint(self, method: str, path: str, query: object = None) -> Endpoint:
        """The entry that a request is (see `find`).

        Raises:
            KeyError: The path is unknown, or no entry applies to the query.
        """
        found = self._router.endpoint(method, path, query)
        if found is None:
            given = shown(dict(parameters(query)))
            raise KeyError(f"no endpoint for {shown(method)} {shown(path)} with {given}")
        return found

    def prepare(self, throttler: "Throttler", method: str, path: str, query: object = None) -> str:
        """The id of a request (see `find`), which the throttler has then.

        The throttler is one with this table's limits, as `throttler` makes it. An id that was made
        from the request is added to it. So call this for each request: of such ids that count
        nothing by themselves, a throttler keeps the last 2,000 that it was asked for, and all that
        requests wait for.

        Raises:
            TypeError: An argument has the wrong type.
        """
        check_throttler(throttler)
        route = self._router.route(method, path, query)
        return self.prepare_route(throttler, route) if route.made else route.id

    def prepare_route(self, throttler: "Throttler", route: Route) -> str:
        """The id of a route (see `route`), which the throttler has then.

        It is what `prepare` does for a request whose route is known.

        Raises:
            TypeError: An argument has the wrong type.
        """
        check_route(route)
        if route.made:
            check_throttler(throttler)
            made_routes.keep(throttler, route)
        return route.id

    def listen(
        self,
        throttler: "Throttler",
        method: str,
        path: str,
        status: int,
        headers: object = None,
        body: object = None,
        *,
        query: object = None,
        limit_id: str | None = None,
        elapsed: float | None = None,
        route: Route | None = None,
    ) -> Heard:
        """Tells a throttler what an answer says about limits, and returns what it said.

        Headers that tell how much is used are given to `Throttler.observe`, with ``expect=True``. A
        refusal with a time closes its limits, or all requests, until then and 1 s longer
        (`Throttler.pause`). A refusal without a time has its windows count as full. An exchange
        that is overloaded pauses nothing. What cannot be read is ignored, and one line of the log
        says so once.

        Args:
            throttler: The throttler that let the request pass.
            method: The request's method.
            path: Its path, or its URL.
            status: The HTTP status of the answer.
            headers: Its headers: a mapping, in any case, or pairs.
            body: Its body, as bytes, text or JSON that was read. It is needed if `needs_body`.
            query: The request's parameters, as for `find`.
            limit_id: The id that the throttler was asked for, if it is not this table's.
            elapsed: Seconds from when the request was sent until now. With it, more of what others
                use is told from one's own, and the offset of the server's clock is learned.
            route: What `route` says of the request, if it was asked already. Then method, path and
                query do not matter.

        Raises:
            TypeError: An argument has the wrong type. Whatever the answer has in it raises nothing.
        """
        check_arguments(throttler, status, limit_id, elapsed, route)
        if route is None:
            route = self._router.route(method, path, query)
        return self._listener.listen(throttler, route, status, headers, body, limit_id, elapsed)

    @property
    def needs_host(self) -> bool:
        """Whether the host of a URL decides which endpoint a request is: a path is not enough."""
        return self._router.needs_host

    def needs_body(self, status: int) -> bool:
        """Whether `listen` must have the body of an answer with this status.

        Some exchanges say with HTTP 200 that a limit is exceeded.

        Raises:
            TypeError: `status` is no whole number.
        """
        return self._listener.needs_body(status)

    def rate_limits(self) -> list["RateLimit"]:
        """The same limits for a client's `sluicegate.Throttler`.

        One row for each limit, under its name; one for each endpoint, linked to the limits that it
        takes from; and `"*"` for all other requests. Ids that are made from a request are not there
        (see `prepare`).
        """
        routes = [self._router.static(endpoint) for endpoint in self.endpoints]
        return rate_limits.static(self.limits, [*routes, self._router.other])

    def throttler(self, **options: Any) -> "Throttler":
        """A new `sluicegate.Throttler` with these limits.

        Args:
            **options: As for `Throttler`, such as `share` or `limits_share_percentage`.
        """
        from sluicegate import Throttler

        return Throttler(self.rate_limits(), **options)

    @staticmethod
    def from_exchange_info(data: object, table: "Table | None" = None) -> "Table":
        """The table of Binance with the limits that it tells now.

        Args:
            data: What `GET /api/v3/exchangeInfo` or `GET /fapi/v1/exchangeInfo` answered: its JSON,
                read already or as text or bytes.
            table: The table with the endpoints; by default `binance-spot`, or `binance-usdm` if the
                answer is that of USD-M futures. Limits that the answer does not tell stay.

        Raises:
            ValueError: It is not such an answer. The message says where, and what would be right.
            TypeError: `table` is no `Table`.
        """
        from sluicegate.tables.exchange_info import live_limits
        from sluicegate.tables.table_toml import load_file

        if isinstance(data, str | bytes):
            data = read_json(data)
        if table is not None and not isinstance(table, Table):
            raise TypeError(f"table must be a Table, such as load(…) returns, got {shown(table)}")
        if table is None:
            futures = isinstance(data, Mapping) and data.get("futuresType") == "U_MARGINED"
            table = load_file("binance-usdm" if futures else "binance-spot")
        return live_limits(table, data)

    def with_endpoint(self, endpoint: Endpoint) -> "Table":
        """The same table with one endpoint more, ahead of the others.

        It takes the place of an endpoint with the same id.

        Raises:
            TypeError: It is no `Endpoint`.
            ValueError: It names a limit that this table does not have.
        """
        if not isinstance(endpoint, Endpoint):
            raise TypeError(f"endpoint must be an Endpoint, got {shown(endpoint)}")
        others = (other for other in self.endpoints if other.id != endpoint.id)
        return replace(self, endpoints=(endpoint, *others))

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the tiers of accounts that have other limits."""
        entries: list[Limit | Endpoint] = [*self.limits, *self.endpoints]
        return tuple(dict.fromkeys(name for entry in entries for name in entry.tiers))

    def at(self, tier: str) -> "Table":
        """The same table for accounts of a tier.

        Raises:
            ValueError: No limit has such a tier.
        """
        if tier not in self.tiers:
            known = ", ".join(map(repr, self.tiers)) or "none"
            raise ValueError(f"{self.name} has no tier {shown(tier)}: it has {known}")
        return replace(
            self,
            limits=tuple(limit.at(tier) for limit in self.limits),
            endpoints=tuple(endpoint.at(tier) for endpoint in self.endpoints),
        )

    def scaled(self, minute: float) -> "Table":
        """The same table where a minute takes another time, to test with.

        Every window and every ban is longer or shorter, and every limit and header stays.

        Args:
            minute: Seconds that the exchange's minute takes. With 6, a window of 60 seconds is one
                of 6 seconds.

        Raises:
            ValueError: `minute` is not above 0, or is above 86,400.
        """
        if not is_number(minute) or not 1e-6 <= minute <= 86_400:
            raise ValueError(
                f"minute must be seconds above 0 (and at most 86,400, a day), got {shown(minute)}"
            )
        factor = minute / 60.0
        return replace(
            self,
            limits=tuple(limit.scaled(factor) for limit in self.limits),
            endpoints=tuple(endpoint.scaled(factor) for endpoint in self.endpoints),
            ban=self.ban.scaled(factor),
        )

    def __getstate__(self) -> dict[str, Any]:
        """What it was made from, so that it can be pickled whatever was found in it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _router(self) -> Router:
        return Router(self.limits, self.endpoints, self.default_weights, self.hosts)

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self)

    def _check_weights(self, sizes: Mapping[str, int]) -> None:
        costs: list[tuple[str, Mapping[str, int]]] = []
        for endpoint in self.endpoints:
            costs.append((endpoint.id, endpoint.weights))
            returned = endpoint.returned.items()
            costs.append(
                (endpoint.id, {x: endpoint.weights.get(x, 0) + n.most_units for x, n in returned})
            )
            for each in endpoint.each.values():
                costs.append((endpoint.id, {name: n for name, n in each.items() if name != OWN}))
        if not isinstance(self.default_weights, Mapping):
            raise ValueError(
                f"default_weights must be an object, got {shown(self.default_weights)}"
            )
        for what, weights in [*costs, ("default_weights", self.default_weights)]:
            for name, units in weights.items():
                if name not in sizes:
                    known = ", ".join(map(repr, sizes))
                    raise ValueError(f"{what!r} names the limit {name!r}; the table has {known}")
                if not is_count(units) or units > sizes[name]:
                    raise ValueError(
                        f"weight of {what!r} on {name!r} must be 1 to {sizes[name]}, "
                        f"got {shown(units)}: the request could never pass"
                    )
        for refusal in self.refusals:
            for name in refusal.limits:
                if name not in sizes and name != OWN:
                    known = ", ".join(map(repr, [*sizes, OWN]))
                    raise ValueError(f"a refusal names the limit {name!r}; the table has {known}")

    def _all_headers(self) -> "list[Header]":
        return [*self.headers, *(header for limit in self.limits for header in limit.headers)]

    def _check_sources(self) -> None:
        named = [
            *((repr(limit.name), limit.source) for limit in self.limits),
            *((repr(endpoint.id), endpoint.source) for endpoint in self.endpoints),
            *(("a refusal", refusal.source) for refusal in self.refusals),
            *((f"the header {header.name!r}", header.source) for header in self._all_headers()),
            *((f"the clock {x.header or x.path!r}", x.source) for x in self.clock),
            *(("a difference", difference.source) for difference in self.differences),
        ]
        for what, source in named:
            check_text(f"source of {what}", source)
            if source and source not in self.sources:
                known = ", ".join(map(repr, self.sources)) or "none"
                raise ValueError(f"{what} names the source {source!r}; the table has {known}")


def _twice(names: list[str]) -> str:
    return next(name for i, name in enumerate(names) if name in names[:i])
