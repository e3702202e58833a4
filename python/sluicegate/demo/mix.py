"""Which requests the demo's bots send, and how often: market data, and some orders and cancels."""

from dataclasses import dataclass, replace

from sluicegate import RateLimit
from sluicegate._priorities import BY_GROUP
from sluicegate.testing import Endpoint, Table

# Shares of all requests, by id. Heavy enough that 50 bots, at about 370 requests a second, use up
# a window of Binance spot's weight within two seconds.
BINANCE = {
    "GET /api/v3/depth?limit<=500": 35,
    "GET /api/v3/depth?limit<=100": 20,
    "GET /api/v3/klines": 15,
    "GET /api/v3/ticker/price": 10,
    "GET /api/v3/ticker/bookTicker": 5,
    "POST /api/v3/order": 10,
    "DELETE /api/v3/order": 5,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that bots make.

    Attributes:
        id: What the client's table calls its endpoint.
        method: `GET`, `POST`, …
        path: The path, with its query.
        share: How often it is made, against the shares of the others.
        group: What it is for, as the table says: ``market``, ``order``, ``cancel``, …
    """

    id: str
    method: str
    path: str
    share: int
    group: str = ""

    @property
    def priority(self) -> int:
        """Who goes first of those that wait: as in all drop-ins, cancels, and then orders."""
        return BY_GROUP[self.group]


RESERVE = 0.02
"""The share of the first limit that is kept for orders and cancels."""


def limits_of(table: Table) -> list[RateLimit]:
    """The limits of a throttler for the bots: the table's, with a reserve for orders and cancels.

    These go first of those that wait. But a full window is full for all until the first unit leaves
    it. So that they need not wait for that, a part of it is kept for them.
    """
    rows, first = table.rate_limits(), table.limits[0]
    kept = int(first.limit * RESERVE)
    wanted = any(call.group in ("order", "cancel") for call in mix_of(table))
    if wanted and kept:
        row = next(row for row in rows if row.limit_id == first.name)
        row.reserve = {BY_GROUP["order"]: kept}
    return rows


def mix_of(table: Table) -> list[Call]:
    """What bots ask an exchange with this table for.

    A table with Binance spot's endpoints gets a mix of market data and orders; any other gets each
    of its endpoints equally often.

    Raises:
        ValueError: The table has no endpoint that a request can be made for.
    """
    calls = [call for call in map(_call, table.endpoints) if _is_its_own(table, call)]
    if not calls:
        raise ValueError("the table has no endpoint for bots to ask for: give it at least one")
    if BINANCE.keys() <= {call.id for call in calls}:
        return [replace(call, share=BINANCE[call.id]) for call in calls if call.id in BINANCE]
    return calls


def _call(endpoint: Endpoint) -> Call:
    query = "&".join(f"{name}={value}" for name, value in _query(endpoint).items())
    path = endpoint.path + (query and f"?{query}")
    return Call(endpoint.id, endpoint.method, path, 1, endpoint.group)


def _query(endpoint: Endpoint) -> dict[str, str]:
    """The shortest query that the endpoint applies to."""
    query = dict.fromkeys(endpoint.has, "BTCUSDT")
    wanted = {
        name: value if isinstance(value, str) else value[0]
        for name, value in endpoint.equals.items()
    }
    return query | wanted | {name: str(most) for name, most in endpoint.up_to.items()}


def _is_its_own(table: Table, call: Call) -> bool:
    """Whether the exchange charges this request as the endpoint it was made for.

    An endpoint for the remainder of a path, such as the deepest order books, has no query that
    tells it from the ones before it.
    """
    path, _, query = call.path.partition("?")
    parameters = dict(part.split("=", 1) for part in query.split("&") if part)
    return table.find(call.method, path, parameters) == call.id
