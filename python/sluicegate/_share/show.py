"""The table of `sluicegate share`: with rich where it is installed, and plain otherwise."""

from __future__ import annotations

import importlib.util
import io
import math
import shutil
import sys
from collections.abc import Sequence

from sluicegate._share.members import Limit, Member, Scope

HEADINGS = (
    *("limit", "units", "every", "used", "free"),
    *("pid", "host", "held", "demand", "state", "command"),
)
STATE = HEADINGS.index("state")
#: The columns of numbers, which end at the same place.
_RIGHT = frozenset({"units", "used", "free", "pid", "held", "demand"})


def shown(scopes: Sequence[Scope], url: str) -> str:
    """All scopes as text for this terminal, or for a file.

    Args:
        scopes: Those of the store.
        url: The address of the store, without a password.
    """
    scopes = [scope for scope in scopes if scope.limits]
    if not scopes:
        return f"nobody shares anything at {url}\n"
    pretty = sys.stdout.isatty() and importlib.util.find_spec("rich") is not None
    return "\n".join(map(_with_rich if pretty else _plain, scopes))


def rows(scope: Scope) -> list[tuple[str, ...]]:
    """The rows of a scope, as `HEADINGS` has them.

    One for each limit, and below it one for each member, and one for what comes free by itself.
    """
    all_rows = []
    for limit in scope.limits:
        all_rows.append((*_of_limit(limit), *[""] * 6))
        all_rows.extend((*[""] * 5, *_of_member(member)) for member in limit.members)
        units, within = limit.coming
        if units:
            # Nobody's any more, and not yet anybody's.
            state = f"free within {math.ceil(within):,} s"
            all_rows.append((*[""] * 7, f"{units:,}", "", state, ""))
    return all_rows


def _of_limit(limit: Limit) -> tuple[str, ...]:
    return (
        limit.limit_id,
        f"{limit.limit:,}",
        limit.every,
        f"{limit.used:,}",
        f"{limit.free:,}",
    )


def _of_member(member: Member) -> tuple[str, ...]:
    return (
        str(member.pid),
        member.host,
        f"{member.held:,}",
        f"{member.demand:,}",
        member.state,
        member.command,
    )


def _title(scope: Scope) -> str:
    learning = " (the store has lost something: nobody gets more for a while)"
    return scope.name + (learning if scope.learning else "")


def _plain(scope: Scope) -> str:
    table = [HEADINGS, *rows(scope)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
            for cell, width, heading in zip(row, widths, HEADINGS, strict=True)
        ).rstrip()
        for row in table
    ]
    return "\n".join([_title(scope), *lines, ""])


def _with_rich(scope: Scope) -> str:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(_title(scope)), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in _RIGHT else "left")
    for row in rows(scope):
        style = "red" if row[STATE] else "bold" if row[0] else ""
        table.add_row(*map(escape, row), style=style)
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=shutil.get_terminal_size().columns)
    console.print(table)
    return text.getvalue()
