"""`sluicegate share`: who holds what, seen from outside of real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sluicegate import RateLimit, Share, Throttler
from sluicegate._share.command import overview_of
from sluicegate._share.members import scopes_of, state_of
from sluicegate._share.show import shown
from tests.helpers.platforms import needs_budget_in_a_file
from tests.helpers.servers import MISSING, RedisServer, server_programs, version_of
from tests.helpers.threads import until

pytestmark = needs_budget_in_a_file

MEMBER = """
import sys
from sluicegate import RateLimit, Share, Throttler
more = {"lease": float(sys.argv[3])} if sys.argv[3:] else {}
share = Share(sys.argv[1], account="main", address="home", arrival=600, **more)
table = [RateLimit("ORDERS", 10, 600), RateLimit("WEIGHT", 6000, 60, scope="address")]
throttler = Throttler(table, share=share)
for _ in range(int(sys.argv[2])):
    with throttler.execute_task("ORDERS", timeout=60):
        pass
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/budget.db"


@contextmanager
def member(url: str, requests: int = 0, *lease: float) -> Iterator[subprocess.Popen[str]]:
    """A process that shares two limits, after it has sent so many requests."""
    with subprocess.Popen(
        [sys.executable, "-c", MEMBER, url, str(requests), *map(str, lease)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def share(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluicegate", "share", *words]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    return subprocess.run(
        command,
        env={**ours, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_each_limit_has_a_row_and_below_it_each_process(url: str) -> None:
    with member(url, requests=3) as one, member(url) as two:
        done = share(url)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["account:main"]
    (orders,) = [line for line in lines if line[:1] == ["ORDERS"]]
    assert orders[1:4] == ["10", "10", "min"]
    # Of a long window a process also counts what it is about to fetch.
    assert 3 <= int(orders[4]) <= 5
    (weight,) = [line for line in lines if line[:1] == ["WEIGHT"]]
    assert weight[1:] == ["6,000", "60", "s", "0", "6,000"]
    for process in (one, two):
        rows = [line for line in lines if line[:1] == [str(process.pid)]]
        assert len(rows) == 2, "one in each scope"
        assert sys.executable in rows[0]
    # Five lines for each scope, and one between them: the command of several lines is in one.
    members = [line for line in lines if "within" not in line]
    assert len(members) == 11, done.stdout
    assert "address:home" in done.stdout


def test_what_comes_free_by_itself_has_a_row_of_its_own(url: str) -> None:
    throttler = Throttler([RateLimit("x", 10, 3600)], share=url)
    for _ in range(3):
        with throttler.execute_task("x", timeout=60):
            pass
    throttler.close()
    (scope,) = scopes_of(overview_of(url))
    (limit,) = scope.limits
    units, within = limit.coming
    assert (limit.used, limit.free, units) == (3, 7, 3)
    assert 3000 < within <= 3600 + 3600 / 64
    (row,) = [line.split() for line in share(url).stdout.splitlines() if "free within" in line]
    assert row[:3] == ["3", "free", "within"]


def test_json_is_all_that_the_store_says(url: str) -> None:
    with member(url, requests=3) as process:
        seen = json.loads(share(url, "--json").stdout)
    account, address = seen
    assert (account["scope"], address["scope"]) == ("account:main", "address:home")
    (row,) = account["members"]
    assert (row["pid"], row["dead"], row["state"]) == (process.pid, False, "")
    (orders,) = account["limits"]
    assert (orders["limit_id"], orders["limit"]) == ("ORDERS", 10)
    held = orders["members"][0]["held"]
    coming = sum(units for _, units in orders["coming_free"])
    assert orders["free"] + held + coming == 10


def test_a_killed_process_is_named_and_so_is_what_it_still_holds(url: str) -> None:
    with member(url, requests=2) as process:
        process.kill()
        process.wait()
        text = share(url).stdout
    dead = [line.split() for line in text.splitlines() if line.split()[:1] == [str(process.pid)]]
    assert dead
    assert all("dead" in line for line in dead)


def test_a_stopped_process_of_this_machine_is_named_at_once(url: str) -> None:
    with member(url, requests=2) as process:
        rows = [one for one in overview_of(url)[0]["members"] if one["pid"] == process.pid]
        assert [one["state"] for one in rows] == [""]
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        again = [one for one in overview_of(url)[0]["members"] if one["pid"] == process.pid]
        assert [one["state"] for one in again] == ["stopped"]


def test_a_stopped_process_that_is_called_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of another machine: nobody here knows what its kernel says.
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    with member(url, requests=8) as process:
        os.kill(process.pid, signal.SIGSTOP)
        # What it holds is all in use, so it is called for it; it cannot come.
        other = Throttler(
            [RateLimit("ORDERS", 10, 600)], share=Share(url, account="main", arrival=600)
        )
        with pytest.raises(TimeoutError):
            other.execute_task("ORDERS", units=10, timeout=2.5).__enter__()
        seen = overview_of(url)
        text = share(url).stdout
        other.close()
    account = next(scope for scope in seen if scope["scope"] == "account:main")
    (stopped,) = [each for each in account["members"] if each["pid"] == process.pid]
    assert stopped["state"].startswith("stopped? called ")
    assert f"{process.pid}" in text
    assert "stopped" in text


@pytest.mark.parametrize(
    "program",
    server_programs() or [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))],
    ids=lambda program: program and version_of(program),
)
def test_on_a_server_a_stopped_process_is_named_and_so_is_that_its_lease_has_ended(
    program: Path,
) -> None:
    def states(url: str) -> set[str]:
        return {one["state"] for scope in overview_of(url) for one in scope["members"]}

    with RedisServer(program) as server, member(server.url, 0, 2.0) as process:
        assert states(server.url) == {""}
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert states(server.url) == {"stopped"}
        # It has not come for longer than its lease: what it holds is going back to the others.
        until(lambda: states(server.url) == {"stopped, its lease has ended"})
        rows = [line.split() for line in share(server.url).stdout.splitlines()]
        named = [row for row in rows if row[:1] == [str(process.pid)]]
        assert len(named) == 2
        assert all("stopped," in row for row in named)
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: states(server.url) == {""})


def test_a_look_changes_nothing(url: str) -> None:
    with member(url, requests=3) as process:
        # Who lives may change something meanwhile, and whoever takes part tidies up after the dead.
        process.kill()
        process.wait()
        looks = [[members(scope) for scope in overview_of(url)] for _ in range(5)]
    assert any(part["held"] for part in looks[0][0][0][2]), "the dead member still holds something"
    assert looks == looks[:1] * 5


def members(scope: dict[str, Any]) -> list[tuple[list[str], int, Any]]:
    ids = [member["id"] for member in scope["members"]]
    return [(ids, limit["free"], limit["members"]) for limit in scope["limits"]]


def test_watch_looks_again_until_it_is_interrupted(url: str) -> None:
    Throttler([RateLimit("x", 10, 1)], share=url).close()
    # The address is not taken for the seconds.
    command = [sys.executable, "-m", "sluicegate", "share", "--json", "--watch", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [look[0]["scope"] for look in looks] == ["account:default"] * 2


def test_the_address_may_come_from_the_environment_or_be_the_users_own_file(
    tmp_path: Path, url: str
) -> None:
    with member(url):
        assert "account:main" in share(SLUICEGATE_SHARE=url).stdout
    done = share(XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert f"there is no file {tmp_path}/sluicegate/budget.db" in done.stderr
    assert not (tmp_path / "sluicegate").exists(), "a look creates nothing"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["sqlite:////no/such.db"], 1, "there is no file /no/such.db: no process shares"),
        (["sqlite:///"], 1, "the name of the file is missing"),
        (["somewhere"], 1, "it must be one of"),
        (["redis://me:secret@127.0.0.1:1/0"], 1, "redis://me:***@127.0.0.1:1/0 cannot be reached"),
        (["sqlite:////x.db", "--watch", "0"], 2, "'0' is not a pause: write a number of seconds"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(
    words: list[str], status: int, message: str
) -> None:
    done = share(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr
    assert status == 2 or len(done.stderr.splitlines()) == 1


def test_a_store_that_nobody_uses_says_so(url: str) -> None:
    assert shown([], url) == f"nobody shares anything at {url}\n"


def test_routes_that_limit_nothing_are_not_shown(url: str) -> None:
    table = [RateLimit("x", 10, 1), RateLimit("through several", 1 << 62, 1)]
    throttler = Throttler(table, share=url)
    (scope,) = scopes_of(overview_of(url))
    assert [limit.limit_id for limit in scope.limits] == ["x"]
    throttler.close()


@pytest.mark.parametrize(
    ("dead", "called_for", "state"),
    [
        (False, None, ""),
        (False, 0.5, ""),
        (False, 12.3, "stopped? called 12 s ago"),
        (True, 12.3, "dead"),
    ],
)
def test_what_is_wrong_with_a_member(dead: bool, called_for: float | None, state: str) -> None:
    member = {"pid": 1, "host": "elsewhere", "command": "bot.py"}
    assert state_of({**member, "dead": dead, "called_for": called_for}) == state
