"""What `sluicegate share` shows, made from what the store says: who holds what, and who is gone."""

from __future__ import annotations

import socket
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate._spans import window

#: A limit that limits nothing: routes through several limits have such ones.
_ENDLESS = 1 << 59

#: For so many seconds a member may take to come when it is called, before it is thought stopped.
SLOW = 2.0


@dataclass(frozen=True)
class Member:
    """One process's part of a limit.

    Attributes:
        pid: The number of the process on its host.
        host: The name of its host.
        command: How it was started.
        held: How many units it has, used or free.
        demand: How many units it used and waited for when it last told.
        state: ``""``, or what is wrong with it.
    """

    pid: int
    host: str
    command: str
    held: int
    demand: int
    state: str


@dataclass(frozen=True)
class Limit:
    """One limit, for all processes together.

    Attributes:
        limit_id: Its id.
        limit: How many units fit in a window.
        every: The window, for people: ``"60 s"``, ``"quota 1d UTC"``.
        used: How many units are used or in flight, as far as the processes have told.
        free: How many units nobody has. Below 0 while a limit that was lowered is paid off.
        coming: How many units nobody has, and nobody may use yet: what those have used who have
            ended, or handed over; and in how many seconds the last of them is free.
        members: Who takes part.
    """

    limit_id: str
    limit: int
    every: str
    used: int
    free: int
    coming: tuple[int, float]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Scope:
    """An account or an address.

    Attributes:
        name: ``"account:NAME"`` or ``"address:NAME"``.
        learning: Whether the store has lost something, so that nobody gets more for a while.
        limits: What counts there.
    """

    name: str
    learning: bool
    limits: tuple[Limit, ...]


def scopes_of(overview: list[dict[str, Any]]) -> list[Scope]:
    """The scopes of a store.

    Args:
        overview: What `sluicegate._core.share_overview` returns.
    """
    return [
        Scope(
            scope["scope"],
            scope["learning"],
            tuple(
                _limit(limit, scope["members"])
                for limit in scope["limits"]
                if limit["limit"] < _ENDLESS
            ),
        )
        for scope in overview
    ]


def _limit(limit: dict[str, Any], members: list[dict[str, Any]]) -> Limit:
    parts = [
        (member, part)
        for member, part in zip(members, limit["members"], strict=True)
        if part is not None
    ]
    return Limit(
        limit["limit_id"],
        limit["limit"],
        every(limit),
        limit["used"],
        limit["free"],
        (
            sum(units for _, units in limit["coming_free"]),
            max((after for after, _ in limit["coming_free"]), default=0.0),
        ),
        tuple(
            Member(
                member["pid"],
                member["host"],
                member["command"],
                part["held"],
                part["demand"],
                state_of(member),
            )
            for member, part in parts
        ),
    )


def every(limit: dict[str, Any]) -> str:
    """The window of a limit of the overview, for people."""
    quota = limit["kind"] == "quota"
    return f"quota {limit['resets']}" if quota else window(limit["time_interval"])


def state_of(member: dict[str, Any]) -> str:
    """What is wrong with a member; ``""`` if nothing is."""
    if _is_stopped(member):
        return "stopped, its lease has ended" if member["dead"] else "stopped"
    if member["dead"]:
        return "dead"
    called = member["called_for"]
    if called is not None and called >= SLOW:
        return f"stopped? called {called:.0f} s ago"
    return ""


def _in_one_line(command: str) -> str:
    """As a process tells its own command: without control characters."""
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in command)


def _is_stopped(member: dict[str, Any]) -> bool:
    """Whether the kernel says that a process of this machine stands still (SIGSTOP, a debugger)."""
    if member["host"] != socket.gethostname():
        return False
    process = Path("/proc", str(member["pid"]))
    try:
        words = process.joinpath("cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        state = process.joinpath("stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    # In another container, the same number may be another process.
    command = _in_one_line(b" ".join(words).decode(errors="replace"))
    return state in "Tt" and command.startswith(member["command"].removesuffix("…"))
