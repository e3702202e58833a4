"""A table as text for a terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.header import Header
from sluicegate.tables.limit import Limit, Tier
from sluicegate.tables.refusal import Refusal, Wait
from sluicegate.tables.server_clock import ServerClock
from sluicegate.tables.table import Table

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
GROUPS = {
    "market": "Market data",
    "account": "Account",
    "order": "Orders",
    "cancel": "Cancels",
    "": "Others",
}


def listed(tables: Iterable[Table]) -> str:
    """One line for each table."""
    rows = [("name", "exchange", "limits", "endpoints", "read")]
    for table in tables:
        days = sorted(source.read for source in table.sources.values())
        counts = (str(len(table.limits)), str(len(table.endpoints)))
        rows.append((table.name, table.title, *counts, days[0] if days else ""))
    return _columns(rows)


def shown(table: Table, tier: str | None = None) -> str:
    """All that a table has.

    Args:
        table: The table, at that tier.
        tier: The tier of accounts whose limits it has; None for the lowest.
    """
    parts = [f"{table.title or table.name}\n"]
    if table.hosts:
        parts.append(f"Hosts: {', '.join(table.hosts)}\n")
    if table.tiers:
        which = "the lowest" if tier is None else tier
        parts.append(f"Tiers of accounts: {', '.join(table.tiers)}. Shown is {which}.\n")
    if tier is not None:
        # Those of the others would be told beside it as if they were of this one.
        table = replace(
            table,
            limits=tuple(replace(limit, tiers={}) for limit in table.limits),
            endpoints=tuple(replace(endpoint, tiers={}) for endpoint in table.endpoints),
        )
    parts.append("\nLimits\n" + _columns(map(_limit, table.limits)))
    if table.headers:
        told = ", ".join([_headers(table.headers), *_sources(table.headers)])
        parts.append(f"\nHeaders of an endpoint's own limit: {told}\n")
    parts.append(f"\nThe server's clock: {', '.join(map(_clock, table.clock)) or 'not told'}\n")
    for group, title in GROUPS.items():
        endpoints = [endpoint for endpoint in table.endpoints if endpoint.group == group]
        if endpoints:
            parts.append(f"\n{title}\n" + _columns(map(_endpoint, endpoints)))
    parts.append(f"\nAny other path takes {_weights(table.default_weights) or 'nothing'}.\n")
    parts.append("\nRefusals, the first that fits\n" + _columns(map(_refusal, table.refusals)))
    if table.not_documented:
        parts.append("\nNot documented\n" + "".join(f"  {x}\n" for x in table.not_documented))
    if table.differences:
        parts.append("\nDifferences from others\n")
        parts += [f"  {x.peer}: {', '.join(x.ids)}\n    {x.why}\n" for x in table.differences]
    if table.sources:
        rows = [
            (name, source.url, f"read {source.read}", source.copy and f"copy of {source.copy}")
            for name, source in table.sources.items()
        ]
        parts.append("\nSources\n" + _columns(rows))
    return "".join(parts)


def length(seconds: float) -> str:
    """An interval as people write it: 60 → `1 min`."""
    for unit, each in UNITS:
        if seconds >= each and seconds % each == 0:
            return f"{seconds / each:g} {unit}"
    return f"{seconds:g} s"


def _limit(limit: Limit) -> tuple[str, ...]:
    details = [
        limit.scope + (f", each {' and '.join(limit.key)}" if limit.key else ""),
        _headers(limit.told_by),
        _tiers(limit.tiers, limit.interval),
    ]
    return (limit.name, _size(limit), limit.kind, "; ".join(x for x in details if x), limit.source)


def _endpoint(endpoint: Endpoint) -> tuple[str, ...]:
    takes = [_weights(endpoint.weights)]
    takes += [
        f"{_weights(units)} for each of {name or 'the body'}"
        for name, units in endpoint.each.items()
    ]
    own = endpoint.own
    if own is not None:
        each = f", each {' and '.join(own.key)}" if own.key else ""
        takes.append(f"own {_size(own)} ({own.scope}{each})")
        takes.append(_tiers(own.tiers, own.interval))
    return (endpoint.id, "; ".join(x for x in takes if x) or "nothing", endpoint.source)


def _refusal(refusal: Refusal) -> tuple[str, ...]:
    signs = [f"HTTP {', '.join(map(str, refusal.status))}"] if refusal.status else []
    signs += [f"code {', '.join(refusal.code)}"] if refusal.code else []
    signs += [f"text {refusal.text!r}"] if refusal.text else []
    signs += [f"without {', '.join(refusal.lacks)}"] if refusal.lacks else []
    closes = ", ".join(refusal.limits) if refusal.pauses == "limits" else refusal.pauses
    waits = ", ".join(map(_wait, refusal.wait))
    return (
        refusal.means,
        ", ".join(signs),
        f"closes {closes or 'its limits'}",
        waits and f"for {waits}",
        refusal.source,
    )


def _wait(wait: Wait) -> str:
    if wait.seconds:
        return length(wait.seconds)
    place = wait.header or (wait.field and f"field {wait.field}") or f"text {wait.text!r}"
    return place if wait.format == "retry-after" else f"{place} ({wait.format})"


def _size(limit: Limit) -> str:
    if limit.kind == "concurrent":
        return f"{limit.limit:,} at once"
    return f"{limit.limit:,} in {length(limit.interval)}"


def _weights(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {units:,}" for name, units in weights.items())


def _headers(headers: Iterable[Header]) -> str:
    return ", ".join(f"{x.name} ({x.tells}{', ' + x.format if x.format else ''})" for x in headers)


def _sources(headers: Iterable[Header]) -> list[str]:
    return list(dict.fromkeys(x.source for x in headers if x.source))


def _clock(clock: ServerClock) -> str:
    place = clock.header or f"{clock.path} {clock.field}"
    return f"{place} ({', '.join(filter(None, (clock.format, clock.source)))})"


def _tiers(tiers: Mapping[str, Tier], interval: float) -> str:
    texts = []
    for name, tier in tiers.items():
        other = tier.interval is not None and tier.interval != interval
        texts.append(f"{name} {tier.limit:,}" + (f" in {length(tier.interval)}" if other else ""))  # type: ignore[arg-type]
    return f"tiers: {', '.join(texts)}" if texts else ""


def _columns(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows with their columns below each other."""
    rows = [tuple(row) for row in rows]
    if not rows:
        return "  none\n"
    # One long text must not push all others to the right.
    widths = [min(max(len(row[i]) for row in rows), 60) for i in range(len(rows[0]))]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"  {line}\n" for line in lines)
