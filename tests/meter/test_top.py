"""`sluicegate top`: what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from sluicegate._meter.drawing import PLAIN_SIGNS, plain
from sluicegate._meter.pace import Pace
from sluicegate._meter.sockets import Bot
from sluicegate._meter.view import lines
from tests.meter.conftest import WITH_FOLDER, Start


def limit(**values: Any) -> dict[str, Any]:
    return {
        "limit_id": "POOL",
        "limit": 100,
        "used": 0,
        "in_flight": 0,
        "foreign": 0,
        "waiting": 0,
        "oldest_wait": 0,
        "paused": 0,
        "pause_reason": "",
        "passed": 0,
        **values,
    }


def a_bot(*limits: dict[str, Any], at: float = 1.0, **values: Any) -> Bot:
    throttler = {"throttler": 1, "member": "", "limits": list(limits), "waiting": []}
    throttler.update(values)
    return Bot(7, "", {"command": "bot.py", "at": at, "throttlers": [throttler], "caches": []})


def text(*bots: Bot) -> str:
    return plain(lines(bots, signs=PLAIN_SIGNS))


def test_a_bar_shows_what_is_used_in_which_way() -> None:
    full = limit(used=90, in_flight=20, foreign=30)
    assert "POOL                          ########====oooooo.." in text(a_bot(full))
    over = limit(used=150, in_flight=150, reserved=10)
    assert " ====================  " in text(a_bot(over))


def test_what_is_not_used_is_left_out_and_what_is_full_comes_first() -> None:
    shown = text(a_bot(limit(limit_id="idle"), limit(limit_id="low", used=1), limit(used=99)))
    assert "idle" not in shown
    assert shown.index("POOL") < shown.index("low")


@pytest.mark.parametrize("width", [200, 118, 117, 100, 80, 64, 50, 48])
def test_a_line_fits_a_narrow_terminal_and_still_says_who_waits(width: int) -> None:
    waiting = limit(limit_id="GET /api/v3/openOrders of an account", used=80, waiting=345)
    _, heading, line, *_ = plain(lines([a_bot(waiting)], signs=PLAIN_SIGNS, width=width)).split(
        "\n"
    )
    assert len(line) <= len(heading) <= width
    place = heading.index("wait")
    assert line[place : place + 4].strip() == "345"
    assert "80/100" in line


def test_waits_and_pauses_are_said_with_their_reasons() -> None:
    waits = [{"limit_id": "/depth", "requests": 3, "oldest": 4.25}]
    paused = limit(paused=125, pause_reason="HTTP 418\x1b[31m", waiting=3, oldest_wait=4.25)
    shown = text(a_bot(paused, waiting=waits))
    assert "3 requests wait, the first for 4.2 s: /depth" in shown
    assert "paused for 2 min more: HTTP 418?[31m" in shown
    assert "\x1b" not in shown


def test_what_counts_for_the_account_and_for_the_address_is_shown_once_where_it_is_the_same() -> (
    None
):
    same, other = limit(limit_id="A (address)", used=5), limit(limit_id="B (address)", used=6)
    shown = a_bot(limit(limit_id="A", used=5), same, limit(limit_id="B", used=5), other)
    assert "A (address)" not in text(shown)
    assert "B (address)" in text(shown)
    assert "A (address)" in plain(lines([shown], everything=True))


def test_the_pace_is_that_between_two_looks() -> None:
    pace = Pace()
    first, second = a_bot(limit(passed=10)), a_bot(limit(passed=25), at=3.0)
    pace.look([first])
    pace.look([second])
    rates = [one.data["throttlers"][0]["limits"][0]["passed_per_second"] for one in (first, second)]
    assert rates == [None, 7.5]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
def test_the_command_prints_a_table_or_data_without_colours(start: Start) -> None:
    code = """
import sys
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 60)])
throttler.charge("/x", units=4)
print("ready", flush=True)
sys.stdin.read()
"""
    process = start(code)

    def top(*options: str) -> str:
        words = [sys.executable, "-c", WITH_FOLDER, *options]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    data = json.loads(top("--json"))
    assert [bot["pid"] for bot in data["bots"]] == [process.pid]
    table = top("--once")
    assert f"{process.pid}  " in table
    assert "4/5" in table
    assert "\x1b" not in table
    assert table == top() or "4/5" in top(), "a pipe gets one table"


@pytest.mark.skipif(sys.platform != "linux", reason="it needs /dev/full")
def test_output_that_cannot_be_written_is_one_line_and_no_traceback() -> None:
    words = f'{sys.executable} -c "$CODE" --once'
    environ = {**os.environ, "CODE": WITH_FOLDER}

    def errors(output: str) -> str:
        done = subprocess.run(
            f"{words} {output}",
            shell=True,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    assert errors(">/dev/full") == "sluicegate top: No space left on device\n"
    assert errors(">&-") == "sluicegate top: the standard output is closed\n"
    assert errors("| true") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
def test_the_view_lives_in_a_terminal_until_it_is_interrupted(start: Start) -> None:
    import pty

    code = """
import sys
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 60)])
throttler.charge("/x", units=4)
print("ready", flush=True)
sys.stdin.read()
"""
    process = start(code)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", WITH_FOLDER]
    env = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", "COLUMNS": "120", "LINES": "30"}
    view = subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs, env=env)
    os.close(theirs)
    shown = ""
    while f"{process.pid}  " not in shown or "4/5" not in shown:
        shown += os.read(ours, 1 << 16).decode(errors="replace")
    view.send_signal(signal.SIGINT)
    assert view.wait(20) == 0
    os.close(ours)
    assert "█" in shown
