"""`WaitLines`: which limit the requests of a bot wait for, for one line a minute in the log."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sluicegate._core import meter_snapshot
from sluicegate._spans import span

#: Seconds: nobody has to be told of shorter waits. Pacing alone makes most requests wait a little.
SHORTEST = 1.0

Key = tuple[int, str]


class _Counted(NamedTuple):
    """The waits for a limit that are over: how many, how many of them long, and how long in all."""

    waits: int
    long_waits: int
    seconds: float


class WaitLines:
    """Tells what the requests of this process wait for, and what waits there were since last time.

    All throttlers of the process are looked at: those of the drop-in for ccxt, and those of the
    rules of the config.
    """

    def __init__(self) -> None:
        """Nothing was told yet: the waits before now are not."""
        self._before = _counted(json.loads(meter_snapshot()))

    def take(self) -> str:
        """What the first limit is like that requests wait for; empty if none waits for long."""
        snapshot = json.loads(meter_snapshot())
        before, self._before = self._before, _counted(snapshot)
        rows = []
        for key, limit in _limits(snapshot):
            now, then = self._before[key], before.get(key, _Counted(0, 0, 0.0))
            waits = limit["waiting"] and limit["oldest_wait"] >= SHORTEST
            if waits or now.long_waits > then.long_waits:
                fullness = 2.0 if limit["paused"] else limit["used"] / max(limit["limit"], 1)
                passed = _Counted(now.waits - then.waits, 0, now.seconds - then.seconds)
                rows.append((limit["waiting"], fullness, key, limit, passed))
        if not rows:
            return ""
        # A request waits for all of its limits: the fullest of them is why.
        _, _, (_, name), limit, passed = max(rows, key=lambda row: row[:3])
        return _line(name, limit, passed)


def _limits(snapshot: dict[str, Any]) -> list[tuple[Key, dict[str, Any]]]:
    return [
        ((throttler["throttler"], limit["limit_id"]), limit)
        for throttler in snapshot["throttlers"]
        for limit in throttler["limits"]
    ]


def _counted(snapshot: dict[str, Any]) -> dict[Key, _Counted]:
    # Bucket i + 1 begins where bucket i ends.
    first_long = sum(end <= SHORTEST for end in snapshot["wait_buckets"])
    return {
        key: _Counted(sum(limit["waits"]), sum(limit["waits"][first_long:]), limit["waited"])
        for key, limit in _limits(snapshot)
    }


def _line(name: str, limit: dict[str, Any], passed: _Counted) -> str:
    if limit["paused"]:
        state = f"{name} is paused for {span(round(limit['paused'])) or 'less than 1 s'} more"
        state += f" ({limit['pause_reason']})" if limit["pause_reason"] else ""
    else:
        state = f"{limit['used']:,} of {limit['limit']:,} units of {name} are used"
    count = limit["waiting"]
    wait = "request waits" if count == 1 else "requests wait"
    text = f"{state}; {count:,} {wait} now"
    if count:
        text += f", the first for {span(limit['oldest_wait']) or '0.0 s'}"
    if passed.waits:
        average = passed.seconds / passed.waits
        text += f"; {passed.waits:,} left since the last line, after {average:.1f} s on average"
    return text
