"""What a line of `sluicegate top` is made of: styled texts, columns, and the bar of a limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sluicegate._spans import span

#: A limit that limits nothing: routes through several limits have such ones.
ENDLESS = 1 << 59

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


def heading(shape: Shape) -> Line:
    """What stands above the lines of limits."""
    name, columns = shape.row("limit", {column: column for column in shape.columns})
    return [Part(f"{name}{'':<{shape.bar}}{columns}", "dim")]


def of_limit(limit: dict[str, Any], before: str, signs: str, shape: Shape) -> Iterable[Line]:
    """The line of a limit, and one of its pause.

    Args:
        limit: What is known of it.
        before: What stands before its id.
        signs: What bars are made of.
        shape: What there is room for.
    """
    used, whole = limit["used"], limit["limit"]
    style = style_of(used, whole, bool(limit["waiting"] or limit["paused"]))
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
    yield [Part(name), Part(bar_of(limit, signs, shape.bar), style), Part(after)]
    if limit["paused"]:
        reason = clean(limit["pause_reason"]) or "nobody said why"
        yield [Part(f"    paused for {span(limit['paused'])} more: {reason}", "bold red")]


#: What a line of a limit is made from.
_SHOWN = ("limit", "used", "in_flight", "foreign", "reserved", "waiting", "paused")


def is_alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the lines of two limits say the same."""
    return all(one.get(key) == other.get(key) for key in _SHOWN)


def style_of(used: int, whole: int, is_red: bool) -> str:
    """What colour the bar of a limit has."""
    if is_red:
        return "red"
    return "yellow" if used >= NEARLY * whole else "green"


def bar_of(limit: dict[str, Any], signs: str, room: int) -> str:
    """The bar of a limit: so many signs."""
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


def plain(all_lines: Iterable[Line]) -> str:
    """Lines without styles."""
    return "".join("".join(part.text for part in line).rstrip() + "\n" for line in all_lines)
