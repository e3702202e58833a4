"""Finds the bots of this user by their sockets, and asks all of them at once."""

from __future__ import annotations

import json
import os
import selectors
import socket
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Bots that have not answered after so many seconds are stopped or busy.
PATIENCE = 0.5

#: No answer is longer. What claims to be is no bot.
_LONGEST = 16 << 20

BUSY = "does not answer: busy?"
STOPPED = "stopped"
BROKEN_OFF = "its answer broke off: it ended, or the machine is busy"
STRANGE = "cannot be understood: another version of sluicegate?"

_NUMBER = (int, float)
#: What is shown of each bot, throttler, limit, wait and cache.
_BOT = {"command": str, "at": _NUMBER, "throttlers": list, "caches": list}
_THROTTLER = {"throttler": int, "member": str, "limits": list, "waiting": list}
_LIMIT = {
    **dict.fromkeys(("limit_id", "pause_reason"), str),
    **dict.fromkeys(
        ("limit", "used", "in_flight", "foreign", "reserved", "waiting", "passed"), int
    ),
    **dict.fromkeys(("oldest_wait", "paused"), _NUMBER),
}
_WAIT = {"limit_id": str, "requests": int, "oldest": _NUMBER}
_CACHE = {
    "cache": str,
    **dict.fromkeys(("entries", "hits", "misses", "loads", "errors", "evictions"), int),
}


@dataclass(frozen=True)
class Bot:
    """One process with a throttler.

    Attributes:
        pid: Its number.
        state: ``""``, or why it has not answered.
        data: Its answer: what ``sluicegate._core.meter_snapshot`` returns. Empty without one.
    """

    pid: int
    state: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def folders() -> list[Path]:
    """The folders in which bots of this user offer sockets, and nobody else can."""
    user = os.geteuid()
    places = [Path(f"/run/user/{user}/sluicegate")]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if Path(runtime).is_absolute():
        places.append(Path(runtime, "sluicegate"))
    places += [Path(folder, f"sluicegate-{user}") for folder in (tempfile.gettempdir(), "/tmp")]  # noqa: S108
    return [place for place in dict.fromkeys(places) if _is_private(place, user)]


def _is_private(folder: Path, user: int) -> bool:
    try:
        about = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == user and not about.st_mode & 0o077


def ask_all(patience: float = PATIENCE) -> list[Bot]:
    """Every bot of this user, by pid, with its answer. Takes as long as the slowest bot, at most.

    Bots that are stopped are not waited for.

    Sockets that dead processes have left are removed.

    Args:
        patience: For how many seconds to wait for answers.
    """
    bots = []
    with selectors.DefaultSelector() as selector:
        waiting = 0
        for path in (path for folder in folders() for path in folder.glob("*.sock")):
            pid = path.name.partition("-")[0]
            if not pid.isdecimal():
                continue
            talk = _connect(path)
            if isinstance(talk, str):
                bots.append(Bot(int(pid), talk))
            elif talk is not None:
                selector.register(talk, selectors.EVENT_READ, (int(pid), bytearray()))
                waiting += 1
        until = time.monotonic() + patience
        while waiting and (left := until - time.monotonic()) > 0:
            keys = selector.get_map().values()
            if all(_why_not(key.data[0]) == STOPPED for key in keys):
                break
            for key, _ in selector.select(left):
                pid_, answer = key.data
                bot = _read(key.fileobj, pid_, answer)  # type: ignore[arg-type]
                if bot is not None:
                    bots.append(bot)
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
                    waiting -= 1
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
            if sys.platform != "linux" or Path("/proc", str(key.data[0])).exists():
                bots.append(Bot(key.data[0], _why_not(key.data[0])))
    # Who was killed while it answered is no bot any more.
    bots = [bot for bot in bots if bot.state != BROKEN_OFF or not _has_ended(bot.pid)]
    return sorted(bots, key=lambda bot: bot.pid)


def _connect(path: Path) -> socket.socket | str | None:
    """A connection; why there is none; ``None`` if nobody is there."""
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    talk.setblocking(False)
    try:
        talk.connect(str(path))
        if _is_own(talk):
            return talk
    except ConnectionRefusedError:
        with suppress(OSError):
            path.unlink()
    except BlockingIOError:
        # So many wait already that it must have stopped.
        talk.close()
        return _why_not(int(path.name.partition("-")[0]))
    except OSError:
        pass
    talk.close()
    return None


def _is_own(talk: socket.socket) -> bool:
    """Whether the same user answers, or root."""
    if sys.platform != "linux":
        return True
    peer = talk.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", peer)[1] in {os.geteuid(), 0}


def _read(talk: socket.socket, pid: int, answer: bytearray) -> Bot | None:
    """Reads what has come; the bot once it has said all."""
    try:
        some = talk.recv(1 << 18)
    except BlockingIOError:
        return None
    except OSError:
        return Bot(pid, BROKEN_OFF)
    answer += some
    if some:
        return Bot(pid, STRANGE) if len(answer) > _LONGEST else None
    if not answer.endswith(b"}\n"):
        return Bot(pid, BROKEN_OFF if not answer or answer.startswith(b"{") else STRANGE)
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError):
        return Bot(pid, STRANGE)
    return Bot(pid, "", data) if _is_complete(data) else Bot(pid, STRANGE)


def _is_complete(data: Any) -> bool:
    """Whether an answer has all that is shown. One of another version may lack some."""
    return (
        _has([data], _BOT)
        and _has(data["caches"], _CACHE)
        and _has(data["throttlers"], _THROTTLER)
        and all(
            _has(one["limits"], _LIMIT) and _has(one["waiting"], _WAIT)
            for one in data["throttlers"]
        )
    )


def _has(rows: list[Any], wanted: dict[str, Any]) -> bool:
    return all(
        isinstance(row, dict) and all(isinstance(row.get(key), wanted[key]) for key in wanted)
        for row in rows
    )


def _why_not(pid: int) -> str:
    return STOPPED if _state(pid) in {"T", "t"} else BUSY


def _has_ended(pid: int) -> bool:
    return sys.platform == "linux" and _state(pid) in {"", "Z", "X"}


def _state(pid: int) -> str:
    """What the kernel calls the state of a process; empty where it does not tell."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def limits_of(bot: Bot) -> Iterator[tuple[int, dict[str, Any]]]:
    """All limits of a bot, each with the number of its throttler."""
    for throttler in bot.data.get("throttlers", ()):
        for limit in throttler["limits"]:
            yield throttler["throttler"], limit
