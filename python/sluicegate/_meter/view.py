"""What `sluicegate top` shows, as lines of styled text: for a screen and for a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sluicegate._meter.sockets import Bot
from sluicegate._share.members import Limit, Member, Scope

#: A limit that limits nothing: routes through several limits have such ones.
_ENDLESS = 1 << 59

#: What a bar is made of: in the window, in flight, of others, kept for others in the plan, free.
SIGNS = "█▓▒░·"
PLAIN_SIGNS = "#=or."

#: From this share on, a limit is nearly used up.
NEARLY = 0.8


class Part(NamedTuple):
    """Some text, and the style that rich gives it."""

    text: str
    style: str = ""


Line = list[Part]

#: The columns after the bar, and how wide they are.
COLUMNS = {"used": 17, "in flight": 9, "foreign": 7, "wait": 5, "oldest": 8, "passed/s": 8}


class Shape(NamedTuple):
    """What a line of a limit has room for: letters of its name, signs of its bar, columns."""

    name: int
    bar: int
    columns: tuple[str, ...]

    @property
    def width(self) -> int:
        """Letters of a whole line."""
        return 4 + self.name + self.bar + sum(2 + COLUMNS[column] for column in self.columns)

    def row(self, name: str, cells: dict[str, str]) -> tuple[str, str]:
        """What stands before the bar, and what after it."""
        short = name if len(name) <= self.name else f"{name[: self.name - 2]}.."
        after = "".join(f"  {cells[column]:>{COLUMNS[column]}}" for column in self.columns)
        return f"  {short:<{self.name}}  ", after


#: From the widest to the narrowest.
SHAPES = (
    Shape(28, 20, tuple(COLUMNS)),
    Shape(24, 10, tuple(COLUMNS)),
    Shape(22, 8, ("used", "wait", "oldest", "passed/s")),
    Shape(18, 6, ("used", "wait", "oldest")),
    Shape(14, 4, ("used", "wait")),
)


def fitting(width: int) -> Shape:
    """The widest shape that a terminal of so many columns has room for, or the narrowest of all."""
    return next((shape for shape in SHAPES if shape.width <= width), SHAPES[-1])


def clean(text: str) -> str:
    """Text of others that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def span(seconds: float) -> str:
    """A time span in few letters."""
    if seconds <= 0:
        return ""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def lines(
    bots: Sequence[Bot],
    scopes: Sequence[Scope] = (),
    *,
    everything: bool = False,
    signs: str = SIGNS,
    width: int = SHAPES[0].width,
) -> Iterable[Line]:
    """All lines, one after the other.

    Args:
        bots: Those that were asked.
        scopes: Those of a shared budget.
        everything: Also limits and caches of which nothing is used.
        signs: What bars are made of.
        width: How many letters a line of a limit may have. Where there is no room for all columns,
            some are left out.
    """
    shape = fitting(width)
    for scope in scopes:
        yield from _of_scope(scope, everything, signs, shape)
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
        for limit in throttler["limits"]
        if _is_shown(limit, everything)
    ]
    # What is nearly full comes first; of equal ones the order of the table.
    rows.sort(key=lambda row: -_pressure(row[0]))
    if rows:
        name, headings = shape.row("limit", {column: column for column in shape.columns})
        yield [Part(f"{name}{'':<{shape.bar}}{headings}", "dim")]
    for limit, several, throttler in rows:
        yield from _of_limit(limit, f"{throttler['throttler']}: " if several else "", signs, shape)
    for throttler in bot.data.get("throttlers", ()):
        for wait in throttler["waiting"]:
            yield [Part(f"  {_waits(wait)}", "yellow")]
    for cache in bot.data.get("caches", ()):
        if everything or cache["hits"] + cache["misses"]:
            yield [Part(f"  {_of_cache(cache)}")]
    yield []


def _is_shown(limit: dict[str, Any], everything: bool) -> bool:
    if limit["limit"] >= _ENDLESS and not limit["paused"]:
        return False
    busy = limit["used"] or limit["waiting"] or limit["paused"] or limit.get("passed_per_second")
    return everything or bool(busy)


def _pressure(limit: dict[str, Any]) -> float:
    if limit["paused"] or limit["waiting"]:
        return 2.0
    return float(limit["used"] / max(limit["limit"], 1))


def _of_limit(limit: dict[str, Any], before: str, signs: str, shape: Shape) -> Iterable[Line]:
    used, whole = limit["used"], limit["limit"]
    style = _style(used, whole, bool(limit["waiting"] or limit["paused"]))
    rate = limit.get("passed_per_second")
    cells = {
        "used": f"{used:>8,}/{whole:<8,}",
        "in flight": str(limit["in_flight"] or ""),
        "foreign": str(limit["foreign"] or ""),
        "wait": str(limit["waiting"] or ""),
        "oldest": span(limit["oldest_wait"]),
        "passed/s": "" if rate is None else f"{rate:.1f}",
    }
    name, after = shape.row(clean(before + limit["limit_id"]), cells)
    yield [Part(name), Part(_bar(limit, signs, shape.bar), style), Part(after)]
    if limit["paused"]:
        reason = clean(limit["pause_reason"]) or "nobody said why"
        yield [Part(f"    paused for {span(limit['paused'])} more: {reason}", "bold red")]


def _style(used: int, whole: int, is_red: bool) -> str:
    if is_red:
        return "red"
    return "yellow" if used >= NEARLY * whole else "green"


def _bar(limit: dict[str, Any], signs: str, room: int) -> str:
    whole = max(limit["limit"], 1)
    kept = limit.get("reserved") or 0
    window = limit["used"] - limit["in_flight"] - limit["foreign"]
    ends, bar = 0, ""
    for units, sign in zip(
        (window, limit["in_flight"], limit["foreign"], kept), signs, strict=False
    ):
        ends += max(units, 0)
        bar += sign * (min(round(room * ends / whole), room) - len(bar))
    return bar + signs[-1] * (room - len(bar))


def _waits(wait: dict[str, Any]) -> str:
    count = wait["requests"]
    plural = "requests wait" if count != 1 else "request waits"
    return f"{count} {plural} for {clean(wait['limit_id'])}, the first for {span(wait['oldest'])}"


def _of_cache(cache: dict[str, Any]) -> str:
    reads = cache["hits"] + cache["misses"]
    text = f"{clean(cache['cache'])}: {cache['entries']:,} entries, {reads:,} reads"
    if reads:
        text += f", {cache['hits'] / reads:.1%} hits"
    for name in ("loads", "errors", "evictions"):
        if cache[name]:
            text += f", {cache[name]:,} {name}"
    return text


def _of_scope(scope: Scope, everything: bool, signs: str, shape: Shape) -> Iterable[Line]:
    yield [Part(f"the whole budget of {clean(scope.name)}", "bold")]
    processes: dict[str, Member] = {}
    for limit in scope.limits:
        # A process may take part several times: each of its throttlers does.
        held: dict[str, int] = {}
        for member in limit.members:
            name = _process(member, scope)
            held[name] = held.get(name, 0) + member.held
            if member.state or name not in processes:
                processes[name] = member
        if everything or limit.used:
            yield _of_whole(limit, signs, shape)
            parts = [f"{name} has {units:,}" for name, units in held.items() if units or everything]
            if parts:
                yield [Part(f"    {', '.join(parts)}")]
    for name, member in processes.items():
        yield [
            Part(f"  {name}"),
            Part(f" {member.state}" if member.state else "", "red"),
            Part(f"  {clean(member.command)[:90]}", "dim"),
        ]
    yield []


def _process(member: Member, scope: Scope) -> str:
    """What a process is called: by its host, too, where there are several."""
    hosts = {other.host for limit in scope.limits for other in limit.members}
    return str(member.pid) if len(hosts) == 1 else f"{member.pid} on {clean(member.host)}"


def _of_whole(limit: Limit, signs: str, shape: Shape) -> Line:
    used = {"limit": limit.limit, "used": limit.used, "in_flight": 0, "foreign": 0}
    name, _ = shape.row(clean(limit.limit_id), dict.fromkeys(COLUMNS, ""))
    return [
        Part(name),
        Part(_bar(used, signs, shape.bar), _style(limit.used, limit.limit, is_red=False)),
        Part(f"  {limit.used:>8,}/{limit.limit:<8,}  {limit.free:,} free, every {limit.every}"),
    ]


def plain(all_lines: Iterable[Line]) -> str:
    """Lines without styles."""
    return "".join("".join(part.text for part in line).rstrip() + "\n" for line in all_lines)
