"""What `sluicegate top` shows, as lines of styled text: for a screen and for a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sluicegate._meter.drawing import (
    ENDLESS,
    SHAPES,
    SIGNS,
    Line,
    Part,
    Shape,
    clean,
    fitting,
    heading,
    is_alike,
    of_limit,
)
from sluicegate._meter.sockets import Bot
from sluicegate._meter.whole_view import of_scope
from sluicegate._share.both_scopes import twin
from sluicegate._spans import span


def lines(
    bots: Sequence[Bot],
    budgets: Sequence[dict[str, Any]] = (),
    *,
    everything: bool = False,
    signs: str = SIGNS,
    width: int = SHAPES[0].width,
) -> Iterable[Line]:
    """All lines, one after the other.

    Args:
        bots: Those that were asked.
        budgets: What `whole.complete` has completed.
        everything: Also limits and caches of which nothing is used.
        signs: What bars are made of.
        width: How many letters a line of a limit may have. Where there is no room for all columns,
            some are left out.
    """
    shape = fitting(width)
    for scope in budgets:
        yield from of_scope(scope, () if everything else budgets, everything, signs, shape)
    if not bots:
        yield [Part("no bot of yours has a throttler on this machine")]
    for bot in bots:
        yield from _of_bot(bot, everything, signs, shape)


def _of_bot(bot: Bot, everything: bool, signs: str, shape: Shape) -> Iterable[Line]:
    title = f"{bot.pid}  {clean(bot.data.get('command', ''))[:90]}"
    yield [Part(title, "bold"), Part(f"  {bot.state}" if bot.state else "", "red")]
    rows = [
        (limit, len(bot.data["throttlers"]) > 1, throttler)
        for throttler in bot.data.get("throttlers", ())
        for limit in _shown(throttler["limits"], everything)
    ]
    # What is nearly full comes first; of equal ones the order of the table.
    rows.sort(key=lambda row: -_pressure(row[0]))
    if rows:
        yield heading(shape)
    for limit, several, throttler in rows:
        yield from of_limit(limit, f"{throttler['throttler']}: " if several else "", signs, shape)
    for throttler in bot.data.get("throttlers", ()):
        for wait in throttler["waiting"]:
            yield [Part(f"  {_waits(wait)}", "yellow")]
    for cache in bot.data.get("caches", ()):
        if everything or cache["hits"] + cache["misses"]:
            yield [Part(f"  {_of_cache(cache)}")]
    yield []


def _shown(limits: Sequence[dict[str, Any]], everything: bool) -> Iterable[dict[str, Any]]:
    # The other half of a limit that counts for the account and the address says the same, mostly.
    halves = {} if everything else {twin(limit["limit_id"]): limit for limit in limits}
    for limit in limits:
        half = halves.get(limit["limit_id"])
        if _is_shown(limit, everything) and not (half and is_alike(half, limit)):
            yield limit


def _is_shown(limit: dict[str, Any], everything: bool) -> bool:
    if limit["limit"] >= ENDLESS and not limit["paused"]:
        return False
    busy = limit["used"] or limit["waiting"] or limit["paused"] or limit.get("passed_per_second")
    return everything or bool(busy)


def _pressure(limit: dict[str, Any]) -> float:
    if limit["paused"] or limit["waiting"]:
        return 2.0
    return float(limit["used"] / max(limit["limit"], 1))


def _waits(wait: dict[str, Any]) -> str:
    count = wait["requests"]
    plural = "requests wait" if count != 1 else "request waits"
    first = span(wait["oldest"]) or "0.0 s"
    return f"{count} {plural}, the first for {first}: {clean(wait['limit_id'])}"


def _of_cache(cache: dict[str, Any]) -> str:
    reads = cache["hits"] + cache["misses"]
    text = f"{clean(cache['cache'])}: {cache['entries']:,} entries, {reads:,} reads"
    if reads:
        text += f", {cache['hits'] / reads:.1%} hits"
    for name in ("loads", "errors", "evictions"):
        if cache[name]:
            text += f", {cache[name]:,} {name}"
    return text
