"""The tables that come with the package beside what other programs have, each difference explained.

`tests/tables/peers/NAME.toml` says where others have the limits of an exchange:

    [ccxt]
    class = "binance"               # by default the table's name
    apis = ["public", "private"]    # the groups of ccxt's `api`; by default all
    rate_limit = 25                 # if ccxt's `rateLimit` is another one than the exchange's: the
    pool = "REQUEST_WEIGHT"         # exchange's milliseconds for a cost of 1, and the id by which
                                    # [[differences]] explains that; the costs are then compared

    [hummingbot]
    tables = ["exchange.binance.binance_constants.RATE_LIMITS"]
    prefix = "/api/v3"              # what stands before their ids to make a path
    [hummingbot.ids]                # their ids that are no path: ours, of an endpoint or a limit
    "ORDERS_24HR" = "ORDERS_1D"
    "/order" = ["POST /api/v3/order", "GET /api/v3/order"]
    [hummingbot.ignored]            # their ids of which the table has nothing, and why
    "WSConnection" = "a limit of WebSockets"
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sluicegate.tables import Route, Table
from tests.helpers.repository import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = ROOT / "tests" / "tables" / "peers"

TOLERANCE = 0.02
"""Rates that differ by less are the same: ccxt's costs are rounded."""


@dataclass(frozen=True)
class Found:
    """A difference: our id, and both rates as a text."""

    id: str
    text: str


def config(name: str, peer: str) -> dict[str, Any] | None:
    """Where a peer has the limits of an exchange; None if it has not."""
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        return None
    return tomllib.loads(path.read_text()).get(peer)


def rate(route: Route) -> float:
    """Requests in a second, on and on, that the limits of a request let pass."""
    return min(
        (x.limit / x.interval / units for x, units in route.takes.values() if x.interval),
        default=float("inf"),
    )


def differ(ours: float, theirs: float) -> bool:
    return not (1 - TOLERANCE) * theirs <= ours <= (1 + TOLERANCE) * theirs


def told(rate: float) -> str:
    return f"{rate:.4g}/s"


def check(table: Table, peer: str, found: Iterable[Found]) -> None:
    """Fail for a difference that the file does not explain, and for an explanation of none."""
    differences = list(found)
    explained = [x for x in table.differences if x.peer == peer]
    patterns = [pattern for x in explained for pattern in x.ids]
    unexplained = [
        f"{x.id}: {x.text}"
        for x in differences
        if not any(fnmatchcase(x.id, pattern) for pattern in patterns)
    ]
    assert not unexplained, (
        f"{len(unexplained)} differences from {peer} that {table.name}.toml does not explain in "
        "its [[differences]]:\n" + "\n".join(unexplained)
    )
    idle = [p for p in patterns if not any(fnmatchcase(x.id, p) for x in differences)]
    assert not idle, f"{table.name}.toml explains differences from {peer} that are none: {idle}"


# ---- ccxt


def ccxt_differences(table: Table, exchange: Any, settings: dict[str, Any]) -> Iterator[Found]:
    """Each endpoint of the table whose rate is another one in ccxt.

    Raises:
        AssertionError: No endpoint of the table is one of ccxt's.
    """
    seen = set()
    compared = 0
    milliseconds = settings.get("rate_limit", exchange.rateLimit)
    if milliseconds != exchange.rateLimit:
        yield Found(settings["pool"], f"ccxt {exchange.rateLimit} ms, here {milliseconds} ms")
    for group in settings.get("apis") or list(exchange.api):
        for method, api, path, config in _leaves(exchange.api[group], [group]):
            for query, cost in _costs(config):
                url = _url(exchange, path, api, method, query)
                endpoint = url and table._router.endpoint(method, url, query)
                if not endpoint or not cost:
                    continue
                compared += 1
                route = table.route(method, url, query)
                ours, theirs = rate(route), 1e3 / milliseconds / cost
                text = f"ccxt {told(theirs)} (cost {cost:g} {query or ''}), here {told(ours)}"
                if differ(ours, theirs) and (endpoint.id, text) not in seen:
                    seen.add((endpoint.id, text))
                    yield Found(endpoint.id, text)
    assert compared, f"{table.name}: no endpoint of the table is one of ccxt's {exchange.id}"


def _leaves(tree: Any, way: list[str]) -> Iterator[tuple[str, list[str], str, Any]]:
    for name, branch in tree.items():
        if name in ("get", "post", "put", "delete", "patch"):
            entries = branch.items() if isinstance(branch, dict) else ((x, 1) for x in branch)
            for path, config in entries:
                yield name.upper(), list(way), path, config
        elif isinstance(branch, dict):
            yield from _leaves(branch, [*way, name])


def _costs(config: Any) -> Iterator[tuple[dict[str, str], float]]:
    """Parameters, and the cost with them."""
    if not isinstance(config, dict):
        yield {}, float(config)
        return
    with_symbol = {"symbol": "BTCUSDT"} if "noSymbol" in config else {}
    for most, cost in config.get("byLimit", ()):
        yield {"limit": str(most)}, float(cost)
    for name, cost in config.get("byType", {}).items():
        yield {"type": name}, float(cost)
    if "byLimit" not in config:
        yield with_symbol, float(config.get("cost", 1))
    if "noSymbol" in config:
        yield {}, float(config["noSymbol"])


def _url(exchange: Any, path: str, api: list[str], method: str, query: dict[str, str]) -> str:
    """Where ccxt sends a request; "" if it cannot say."""
    names = [part.split("}")[0] for part in path.split("{")[1:]]
    given = {**dict.fromkeys(names, "1"), **query}
    try:
        return str(exchange.sign(path, api, method, given)["url"]).partition("?")[0]
    except Exception:
        return ""


# ---- Hummingbot


def hummingbot_differences(
    table: Table, theirs: list[Any], config: dict[str, Any], pairs: list[str]
) -> Iterator[Found]:
    """Each limit and endpoint whose rate is another one in a table of Hummingbot.

    Raises:
        AssertionError: It has an id that is neither ours nor explained.
    """
    pools = {limit.limit_id: limit for limit in theirs}
    unknown = []
    for limit in theirs:
        name = limit.limit_id
        for pair in pairs:
            name = name.removesuffix(f"-{pair}").removesuffix(pair)
        if name in config.get("ignored", {}):
            continue
        ours = list(_ours(table, name, config))
        if not ours:
            unknown.append(name)
        rates = [limit.limit / limit.time_interval / (limit.weight or 1)]
        rates += [
            pools[link.limit_id].limit / pools[link.limit_id].time_interval / link.weight
            for link in limit.linked_limits or []
            if link.limit_id in pools and link.weight
        ]
        for own_id, own_rate in ours:
            if differ(own_rate, min(rates)):
                yield Found(
                    own_id, f"Hummingbot {told(min(rates))} ({name}), here {told(own_rate)}"
                )
    assert not unknown, (
        f"{table.name}: tests/tables/peers/{table.name}.toml must say in [hummingbot.ids] or "
        f"[hummingbot.ignored] what these ids are: {unknown}"
    )


def _ours(table: Table, name: str, config: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Our ids that one of theirs stands for, and our rates."""
    wanted = config.get("ids", {}).get(name)
    limits = {limit.name: limit for limit in table.limits}
    if wanted is None and name in limits:
        wanted = name
    if wanted is None:
        path = f"{config.get('prefix', '')}/{name.lstrip('/')}"
        wanted = [x.id for x in table.endpoints if x.path == path]
    by_id = {endpoint.id: endpoint for endpoint in table.endpoints}
    for own_id in [wanted] if isinstance(wanted, str) else wanted:
        if own_id in limits:
            yield own_id, limits[own_id].limit / limits[own_id].interval
            continue
        assert own_id in by_id, (
            f"tests/tables/peers/{table.name}.toml: {own_id!r} is no id of the table"
        )
        yield own_id, rate(table._router.static(by_id[own_id]))
