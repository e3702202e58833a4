"""The limits that Binance's `exchangeInfo` tells now, put into a table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluicegate.tables.limit import Limit
from sluicegate.tables.values import is_count, shown

if TYPE_CHECKING:
    from sluicegate.tables.table import Table

SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}

KINDS = ("REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS")
"""The limits that count requests. `CONNECTIONS` counts those of WebSockets."""


def live_limits(table: "Table", data: object) -> "Table":
    """The same table with the limits that `rateLimits` tells (see `Table.from_exchange_info`)."""
    rows = data.get("rateLimits") if isinstance(data, Mapping) else data
    if not isinstance(rows, list):
        raise ValueError(
            f"exchangeInfo must have a list 'rateLimits', got {shown(data)}: give what "
            "GET exchangeInfo answered"
        )
    told: dict[tuple[str, float], int] = {}
    for i, row in enumerate(rows):
        kind, interval, units = _row(row, f"rateLimits[{i}]")
        if kind in KINDS:
            # Of two for the same, the stricter one.
            told[kind, interval] = min(units, told.get((kind, interval), units))
    if not told:
        raise ValueError(
            "rateLimits has no REQUEST_WEIGHT, ORDERS or RAW_REQUESTS: it is not Binance's"
        )
    limits = []
    for limit in table.limits:
        now = told.pop((_kind(limit), limit.interval), None)
        limits.append(limit if now is None else replace(limit, limit=now, tiers={}))
    new = [_new(table, kind, interval, n) for (kind, interval), n in told.items()]
    # What takes from a limit of a kind takes from each of that kind.
    more: dict[str, list[str]] = {}
    for limit in new:
        more.setdefault(_kind(limit), []).append(limit.name)
    endpoints = tuple(
        replace(endpoint, weights=_with(endpoint.weights, table.limits, more))
        for endpoint in table.endpoints
    )
    return replace(
        table,
        limits=(*limits, *new),
        endpoints=endpoints,
        default_weights=_with(table.default_weights, table.limits, more),
    )


def _row(row: Any, where: str) -> tuple[str, float, int]:
    if not isinstance(row, Mapping):
        raise ValueError(f"{where} must be an object, got {shown(row)}")
    kind, unit = row.get("rateLimitType"), row.get("interval")
    number: Any = row.get("intervalNum")
    limit: Any = row.get("limit")
    if not isinstance(kind, str):
        raise ValueError(f"{where}.rateLimitType must be a text, got {shown(kind)}")
    if not isinstance(unit, str) or unit not in SECONDS:
        raise ValueError(f"{where}.interval must be one of {', '.join(SECONDS)}, got {shown(unit)}")
    for name, value in (("intervalNum", number), ("limit", limit)):
        if not is_count(value):
            raise ValueError(
                f"{where}.{name} must be a whole number of at least 1, got {shown(value)}"
            )
    return kind, float(SECONDS[unit] * number), int(limit)


def _kind(limit: Limit) -> str:
    return next((kind for kind in KINDS if limit.name.startswith(kind)), "")


def _new(table: "Table", kind: str, interval: float, limit: int) -> Limit:
    like = next((x for x in table.limits if _kind(x) == kind), None)
    letter, number = next(
        (unit[0], round(interval / seconds))
        for unit, seconds in reversed(SECONDS.items())
        if interval % seconds == 0
    )
    name = f"{kind}_{number}{letter}"
    return Limit(
        name,
        limit,
        interval,
        None if kind != "RAW_REQUESTS" else "",
        kind="fixed",
        scope="account" if kind == "ORDERS" else "address",
        source="" if like is None else like.source,
    )


def _with(
    weights: Mapping[str, int], known: tuple[Limit, ...], more: Mapping[str, list[str]]
) -> dict[str, int]:
    found = dict(weights)
    for kind, names in more.items():
        alike = {limit.name for limit in known if _kind(limit) == kind}
        units = [n for name, n in weights.items() if name in alike]
        if units:
            found |= dict.fromkeys(names, max(units))
    return found
