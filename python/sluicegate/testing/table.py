"""`Table`, `Limit`, `Endpoint`: a table of limits, as an exchange publishes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sluicegate.testing.ban import BanRule
from sluicegate.testing.interval import interval_label
from sluicegate.testing.values import HEADER, is_count, is_length, is_number, shown

if TYPE_CHECKING:
    from sluicegate import RateLimit

NEVER_BINDING = 1_000_000_000
"""Own limit of an endpoint that costs nothing: a client's table has no endpoint without one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many units in any window of a length.

    Args:
        name: What endpoints, statistics and the client's table call it.
        limit: Units that any window may hold; at least 1.
        interval: Length of the window, in seconds.
        header: Response header with the units in the window. By default as Binance names it:
            `X-MBX-USED-WEIGHT-1M` for a minute, `X-MBX-ORDER-COUNT-10S` for ten seconds if the name
            begins with `ORDERS`; none for lengths that are not whole seconds. `""` sends none.

    Raises:
        ValueError: The name, the limit, the interval or the header is not as above.
    """

    name: str
    limit: int
    interval: float
    header: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a limit's name must be a text that is not empty, got {self.name!r}")
        if not is_count(self.limit):
            raise ValueError(
                f"limit of {self.name!r} must be a whole number of at least 1 (and at most "
                f"2**63 - 1), got {shown(self.limit)}"
            )
        if not is_length(self.interval):
            raise ValueError(
                f"interval of {self.name!r} must be seconds above 0 (and at most 100 years), "
                f"got {shown(self.interval)}"
            )
        header = self.header
        if header not in (None, "") and not (isinstance(header, str) and HEADER.fullmatch(header)):
            raise ValueError(
                f"header of {self.name!r} must be the name of an HTTP header such as "
                "'X-Used-Weight' (with no space, colon or line break), or '' for none, "
                f"got {shown(header)}"
            )

    @property
    def header_name(self) -> str | None:
        """The response header with the units in the window; None when there is none."""
        if self.header is not None:
            return self.header or None
        label = interval_label(self.interval)
        if label is None:
            return None
        kind = "ORDER-COUNT" if self.name.startswith("ORDERS") else "USED-WEIGHT"
        return f"X-MBX-{kind}-{label}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a request costs, by its method, path and query.

    Args:
        method: `GET`, `POST`, …
        path: The exact path, such as `/api/v3/depth`.
        weights: Units by name of limit. A limit that is not named is not touched.
        id: What the client's table calls it; `METHOD path` by default.
        has: Query parameters that must be there for this entry to apply.
        up_to: The most that these numeric query parameters may be for this entry to apply. A
            parameter that is missing (the exchange has a default, then) or is no number applies.

    Raises:
        ValueError: A value is not as above.
    """

    method: str
    path: str
    weights: Mapping[str, int]
    id: str = ""
    has: tuple[str, ...] = ()
    up_to: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        method, path = self.method, self.path
        if not (isinstance(method, str) and method.isascii() and method.isalpha()):
            raise ValueError(f"method must be a word such as 'GET', got {shown(method)}")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"path must begin with '/', got {shown(path)}")
        if "?" in path:
            raise ValueError(
                f"path must be without a query, got {shown(path)}: use has and up_to for a query"
            )
        if not isinstance(self.id, str):
            raise ValueError(f"id of {method} {path} must be a text, got {shown(self.id)}")
        object.__setattr__(self, "method", self.method.upper())
        object.__setattr__(self, "id", self.id or f"{self.method} {self.path}")
        has = self.has
        if not isinstance(has, (list, tuple)) or not all(isinstance(x, str) for x in has):
            raise ValueError(f"has of {self.id!r} must be a list of names, got {shown(has)}")
        object.__setattr__(self, "has", tuple(self.has))
        for what in ("weights", "up_to"):
            if not isinstance(getattr(self, what), Mapping):
                raise ValueError(
                    f"{what} of {self.id!r} must be numbers by name, "
                    f"got {shown(getattr(self, what))}"
                )
        for name, most in self.up_to.items():
            if not is_number(most):
                raise ValueError(
                    f"up_to of {self.id!r} on {name!r} must be a number, got {shown(most)}"
                )
        for name, units in self.weights.items():
            if not is_count(units):
                raise ValueError(
                    f"weight of {self.id!r} on {name!r} must be a whole number of at least 1, "
                    f"got {shown(units)}; leave the limit out if the request takes none of it"
                )

    def applies(self, query: Mapping[str, str]) -> bool:
        """Whether a request to this method and path with this query is this entry's."""
        return all(name in query for name in self.has) and all(
            _number(query.get(name), most) <= most for name, most in self.up_to.items()
        )


@dataclass(frozen=True, slots=True)
class Table:
    """All limits of an exchange, and what its endpoints cost.

    Args:
        limits: The limits; each has its own name.
        endpoints: The endpoints. Of several for one method and path, the first that applies to the
            query stands.
        default_weights: What a request to an unknown path costs; it is answered 404 all the same.
        ban: When a client that goes on after 429s is banned.
        name: For messages and plots.

    Raises:
        ValueError: No limit, a name that is taken twice, an endpoint on a limit that is not there,
            or a weight that is above its limit and so could never pass.
    """

    limits: tuple[Limit, ...]
    endpoints: tuple[Endpoint, ...]
    default_weights: Mapping[str, int] = field(default_factory=dict)
    ban: BanRule = field(default_factory=BanRule)
    name: str = "exchange"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.name, str):
            raise ValueError(f"name of a table must be a text, got {shown(self.name)}")
        object.__setattr__(self, "limits", tuple(self.limits))
        object.__setattr__(self, "endpoints", tuple(self.endpoints))
        if not self.limits:
            raise ValueError("a table needs at least one limit, got none")
        sizes = {limit.name: limit.limit for limit in self.limits}
        if len(sizes) < len(self.limits):
            raise ValueError(f"limit {_twice([x.name for x in self.limits])!r} is there twice")
        ids = [*sizes, *(endpoint.id for endpoint in self.endpoints)]
        if len(set(ids)) < len(ids):
            raise ValueError(f"id {_twice(ids)!r} is there twice: give one endpoint another id")
        costs = [(endpoint.id, endpoint.weights) for endpoint in self.endpoints]
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

    def find(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Endpoint:
        """The endpoint that a request is charged as: its `id` is the one to ask a throttler for.

        Raises:
            KeyError: The path is unknown, or no entry applies to the query.
        """
        for endpoint in self.endpoints:
            if (
                endpoint.method == method.upper()
                and endpoint.path == path
                and endpoint.applies(query or {})
            ):
                return endpoint
        raise KeyError(f"no endpoint for {method} {path} with {dict(query or {})!r}")

    def rate_limits(self) -> list["RateLimit"]:
        """The same limits for a client's `sluicegate.Throttler`.

        One pool for each limit, under its name; and one id for each endpoint, linked to the pools
        it costs. An endpoint's own limit is never what holds a request back: the pools are.
        """
        from sluicegate import LinkedLimitWeightPair, RateLimit

        pools = {limit.name: limit for limit in self.limits}
        limits = [RateLimit(x.name, limit=x.limit, time_interval=x.interval) for x in self.limits]
        for endpoint in self.endpoints:
            own = [pools[name] for name in endpoint.weights][:1]
            limits.append(
                RateLimit(
                    endpoint.id,
                    # One unit a request: as many as the pool could pass if each cost but one.
                    limit=own[0].limit if own else NEVER_BINDING,
                    time_interval=own[0].interval if own else 1.0,
                    linked_limits=[
                        LinkedLimitWeightPair(name, units)
                        for name, units in endpoint.weights.items()
                    ],
                )
            )
        return limits

    def with_endpoint(self, endpoint: Endpoint) -> "Table":
        """The same table with one endpoint more, ahead of the others.

        It takes the place of an endpoint with the same id.
        """
        others = (other for other in self.endpoints if other.id != endpoint.id)
        return replace(self, endpoints=(endpoint, *others))


def _number(text: str | None, otherwise: int) -> float:
    """The number that a query parameter holds; `otherwise` if it is missing or holds none."""
    try:
        number = float(text) if text is not None else otherwise
    except ValueError:
        return otherwise
    return otherwise if math.isnan(number) else number


def _twice(names: list[str]) -> str:
    return next(name for i, name in enumerate(names) if name in names[:i])
