"""The whole of a shared budget in `sluicegate top`: what its store knows, and what bots know."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluicegate._meter.drawing import PLAIN_SIGNS, plain
from sluicegate._meter.sockets import Bot
from sluicegate._meter.view import lines
from sluicegate._meter.whole import complete
from tests.meter.conftest import WITH_FOLDER, Start


def part(held: int, used: int) -> dict[str, int]:
    return {"held": held, "used": used, "demand": used}


def member(number: int, pid: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"{number:016x}",
        "pid": pid,
        "host": "here",
        "command": f"bot{pid}.py",
        "state": "",
        "ticket": None,
        **values,
    }


def limit(*parts: dict[str, int] | None, **values: Any) -> dict[str, Any]:
    return {
        "limit_id": "POOL",
        "limit": 100,
        "kind": "rolling",
        "resets": None,
        "time_interval": 90_720.0,
        "used": 0,
        "free": 0,
        "foreign": 0,
        "kept": 0,
        "locked_up": 0,
        "reserved": 0,
        "paused": 0.0,
        "pause_reason": "",
        "members": list(parts),
        **values,
    }


def scope(members: list[dict[str, Any]], *limits: dict[str, Any]) -> dict[str, Any]:
    return {"scope": "account:main", "learning": False, "members": members, "limits": list(limits)}


def bot(pid: int, number: int, **values: Any) -> Bot:
    row = {
        "limit_id": "POOL",
        "limit": 1,
        "used": 0,
        "in_flight": 0,
        "foreign": 0,
        "reserved": 0,
        "waiting": 0,
        "oldest_wait": 0,
        "paused": 0,
        "pause_reason": "",
        "passed": 0,
        "passed_per_second": None,
        **values,
    }
    throttler = {"throttler": 1, "member": f"{number:016x}", "limits": [row], "waiting": []}
    return Bot(pid, "", {"command": "", "at": 1.0, "throttlers": [throttler], "caches": []})


def whole(budget: dict[str, Any], *bots: Bot, width: int = 80, everything: bool = False) -> str:
    complete([budget], bots)
    shown = lines([], [budget], signs=PLAIN_SIGNS, width=width, everything=everything)
    return plain(shown)


def test_what_bots_say_now_stands_in_place_of_what_they_told_the_store() -> None:
    # 45 are used by the store's word: 10 posted, 15 by others, 20 by both. The first has used more.
    budget = scope(
        [member(1, 7), member(2, 8)],
        limit(part(40, 12), part(30, 8), used=45, foreign=15, reserved=70),
    )
    asked = bot(7, 1, used=30, in_flight=4, foreign=2, waiting=3, oldest_wait=5.0)
    complete([budget], [asked])
    [known] = budget["limits"]
    assert (known["used"], known["in_flight"], known["foreign"]) == (63, 4, 17)
    assert (known["waiting"], known["oldest_wait"], known["reserved"]) == (3, 5.0, 37)
    assert [one["answers"] for one in budget["members"]] == [True, False]
    assert [one["now"] is None for one in known["members"]] == [False, True]


def test_units_that_moved_between_two_looks_are_not_more_than_there_are() -> None:
    budget = scope([member(1, 7)], limit(part(40, 0), used=60))
    complete([budget], [bot(7, 1, used=50)])
    assert budget["limits"][0]["used"] == 100


def test_what_is_kept_for_others_counts_up_to_the_limit() -> None:
    budget = scope([member(1, 7)], limit(part(40, 40), used=160, foreign=120, kept=30))
    complete([budget], [bot(7, 1, used=45, foreign=5)])
    [known] = budget["limits"]
    assert (known["used"], known["foreign"]) == (130, 90), "the exchange counts 90 of others now"


def test_all_is_shown_of_a_budget_whose_bots_answer() -> None:
    budget = scope(
        [member(1, 7), member(2, 8)],
        limit(part(40, 0), part(0, 0), free=58, locked_up=2, used=2),
        limit(part(0, 0), part(0, 0), limit_id="idle"),
        limit(part(0, 0), part(0, 0), limit_id="POOL below priority 1", reserved=None, used=9),
    )
    first = bot(7, 1, used=30, in_flight=10, waiting=3, oldest_wait=5.0, passed_per_second=2.5)
    second = bot(8, 2, paused=30, pause_reason="HTTP 418", passed_per_second=0.5)
    assert whole(budget, first, second).splitlines()[:8] == [
        "the whole budget of account:main",
        "  2 processes. In flight, wait and passed/s are those of all of them",
        "  limit                                          used   wait    oldest  passed/s",
        "  POOL                    ##=.....        32/100           3     5.0 s       3.0",
        "    paused for 30.0 s more: HTTP 418",
        "    every 25.2 h: 7 has 40 (3 wait, 5.0 s), nobody has 58, 2 of ended processes",
        "    come free later",
        "  7  bot7.py",
    ]
    assert "idle" in whole(budget, everything=True)
    assert "below priority" not in whole(budget, everything=True)


def test_what_the_address_has_as_the_account_is_shown_once() -> None:
    members = [member(1, 7)]
    account = scope(members, limit(part(9, 5), used=5), limit(part(9, 5), limit_id="B", used=5))
    twins = [limit(part(9, 5), limit_id=f"{one} (address)", used=5) for one in ("POOL", "B")]
    address = {**scope(members, *twins), "scope": "address:main"}
    complete([account, address], [])

    def shown(everything: bool = False) -> str:
        return plain(lines([], [account, address], signs=PLAIN_SIGNS, everything=everything))

    assert "(address)" not in shown()
    assert "  all is as in the whole budget of account:main" in shown()
    assert "POOL (address)" in shown(everything=True)
    twins[1]["used"] = 6
    assert "B (address)" in shown()
    assert "  all else is as in the whole budget of account:main" in shown()


def test_it_is_said_of_how_many_processes_it_is_known_what_is_in_flight() -> None:
    ticket = {"waited": 9.5, "needs": {"POOL": 7}}
    members = [member(1, 7), member(2, 8, host="there", ticket=ticket), member(3, 7)]

    def shown(*bots: Bot) -> str:
        return whole(scope(members, limit(part(40, 0), part(3, 0), part(1, 0))), *bots)

    partly = shown(bot(7, 1), bot(7, 3, in_flight=1, used=1))
    assert "2 processes. In flight, wait and passed/s are those of 1 of them: the others" in partly
    assert "every 25.2 h: 7 on here has 41, 8 on there has 3 (1 wait, 9.5 s)" in partly
    assert "1     9.5 s" in partly, "the store knows of one that waits for more than its part"
    assert "None can be asked from here: what is in flight is not known" in shown()


@pytest.mark.skipif(sys.platform != "linux", reason="a budget in a file needs Linux")
def test_a_budget_of_real_bots_is_known_as_far_as_they_can_be_asked(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/budget.db"
    code = f"""
import sys, threading, time
from sluicegate import RateLimit, Throttler
limits = [RateLimit("POOL", 10, 90_720, reserve={{1: 2}}), RateLimit("/x", 9, 60)]
throttler = Throttler(limits, share={url!r})
with throttler.execute_task("POOL", units=2):
    print("ready", flush=True)
    sys.stdin.readline()
    throttler.pause("/x", 600, reason="HTTP 429")
    wait = lambda: throttler.execute_task("POOL", units=8).__enter__()
    threading.Thread(target=wait, daemon=True).start()
    while not throttler.usage("POOL").waiting:
        time.sleep(0.001)
    print("waits", flush=True)
    sys.stdin.read()
"""
    bots = [start(code), start(code)]

    def top(*options: str) -> str:
        words = [sys.executable, "-c", WITH_FOLDER, "--share", url, *options]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def pool() -> dict[str, Any]:
        [budget] = json.loads(top("--json"))["budgets"]
        [found] = [one for one in budget["limits"] if one["limit_id"] == "POOL"]
        return {name: found[name] for name in ("used", "in_flight", "reserved", "waiting")}

    assert pool() == {"used": 4, "in_flight": 4, "reserved": 2, "waiting": 0}
    monkeypatch.setenv("SLUICEGATE_METER", "0")
    silent = start(code)
    assert pool() == {"used": 6, "in_flight": 4, "reserved": 2, "waiting": 0}
    assert silent.stdin is not None
    assert silent.stdout is not None
    silent.stdin.write("\n")
    silent.stdin.flush()
    silent.stdout.readline()
    table = top("--once")
    assert "3 processes. In flight, wait and passed/s are those of 2 of them" in table
    assert "paused for 10 min more: HTTP 429" in table
    assert "every 25.2 h" in table
    assert f"{silent.pid} has" in table
    assert {bot.pid for bot in bots} < set(map(int, re.findall(r"(\d+) has", table)))
