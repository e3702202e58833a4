"""The socket that each process with a throttler offers, and who finds it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sluicegate._meter.sockets import BROKEN_OFF, BUSY, STOPPED, STRANGE, ask_all
from tests.meter.conftest import Start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")

BOT = """
import sys
from sluicegate import RateLimit, Throttler, TTLCache
throttler = Throttler([RateLimit("/x", 5, 60)])
{more}
print("ready", flush=True)
sys.stdin.read()
"""


def bot(more: str = "") -> str:
    return BOT.format(more=more)


def test_a_bot_is_found_and_tells_its_limits_and_caches(start: Start, runtime: Path) -> None:
    more = """
with throttler.execute_task("/x"):
    pass
assert not throttler.charge("/x", units=5)
throttler.pause("/x", 30, reason="HTTP 429")
cache = TTLCache(9, 60)
cache["a"] = 1
cache.get("a"), cache.get("b")
del throttler  # it is forgotten
throttler = Throttler([RateLimit("/y", 5, 60)])
kept = Throttler([RateLimit("/x", 5, 60)])
kept.charge("/x", units=2)
"""
    process = start(bot(more))
    [found] = ask_all()
    assert (found.pid, found.state) == (process.pid, "")
    names = [limit["limit_id"] for one in found.data["throttlers"] for limit in one["limits"]]
    assert names == ["/y", "/x"], "one that was dropped is not told of"
    [x] = found.data["throttlers"][1]["limits"]
    assert (x["limit"], x["used"], x["passed"], x["refused"]) == (5, 2, 1, 0)
    [cache] = found.data["caches"]
    assert (cache["cache"], cache["hits"], cache["misses"]) == ("TTLCache-1", 1, 1)
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    process.communicate("")
    assert list(runtime.iterdir()) == [], "a bot that ends takes its socket with it"


def test_a_killed_bot_leaves_a_socket_that_is_removed(start: Start, runtime: Path) -> None:
    process = start(bot())
    process.kill()
    process.wait()
    assert len(list(runtime.iterdir())) == 1
    assert ask_all() == []
    assert list(runtime.iterdir()) == []


def test_a_new_bot_removes_what_dead_ones_left(start: Start, runtime: Path) -> None:
    process = start(bot())
    process.kill()
    process.wait()
    [left] = runtime.iterdir()
    start(bot())
    assert left not in list(runtime.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that it is stopped")
def test_a_stopped_bot_keeps_nobody_waiting(start: Start) -> None:
    process, other = start(bot()), start(bot())
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    states = {found.pid: found.state for found in ask_all(patience=600)}
    assert states == {process.pid: STOPPED, other.pid: ""}
    process.send_signal(signal.SIGCONT)


def test_the_meter_can_be_switched_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_METER", "0")
    start(bot())
    assert ask_all() == []


def test_a_folder_that_others_may_enter_is_not_used(
    start: Start, runtime: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o755)
    start(bot())
    assert list(runtime.iterdir()) == []


def test_where_the_first_folder_has_no_room_for_a_socket_the_next_is_used(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The path of a socket has about a hundred bytes.
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("TMPDIR", short)
        process = start(bot())
        [found] = Path(short).glob("sluicegate-*/*.sock")
        assert found.name.startswith(f"{process.pid}-")
        process.communicate("")


@pytest.mark.skipif(sys.platform != "linux", reason="wake-ups are read from /proc")
def test_nobody_is_woken_while_nobody_asks(start: Start) -> None:
    process = start(bot("del throttler"))

    def woken() -> dict[str, str]:
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        return {
            task.name: next(
                line
                for line in (task / "status").read_text().splitlines()
                if line.startswith("voluntary_ctxt_switches")
            )
            for task in tasks
        }

    # It has printed a line, and goes to sleep.
    before, after = woken(), {"": ""}
    until = time.monotonic() + 20
    while before != after and time.monotonic() < until:
        before = woken()
        time.sleep(0.5)
        after = woken()
    assert before == after
    assert len(after) == 2


def test_a_fork_has_a_socket_of_its_own_and_counts_anew(start: Start) -> None:
    more = """
import os
throttler.charge("/x")
if os.fork() == 0:
    throttler.charge("/x"), throttler.charge("/x")
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
"""
    process = start(bot(more))
    assert process.stdout is not None
    process.stdout.readline()
    found = {one.pid: one.data["throttlers"][0]["limits"][0] for one in ask_all()}
    assert found.pop(process.pid)["passed"] == 1
    [child] = found.values()
    assert (child["passed"], child["used"]) == (2, 3)


@pytest.mark.parametrize("ends", ["", "os.waitpid(os.fork() or os._exit(0), 0)"])
def test_a_program_that_closes_all_files_keeps_those_that_it_opens_then(ends: str) -> None:
    """As a program does that becomes a daemon."""
    code = f"""
import atexit, os
files = []

@atexit.register  # before the import: it is called after what sluicegate does at the end
def look():
    print([os.fstat(file).st_rdev for file in files] == [os.stat(os.devnull).st_rdev] * 50)

from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 60)])
os.closerange(3, 200)
files += [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
{ends}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are read from /proc")
def test_a_fork_finds_no_thread_of_the_meter(start: Start) -> None:
    """Later Pythons warn of threads when a process forks."""
    code = """
import os, sys
threads = []
os.register_at_fork(before=lambda: threads.extend(os.listdir("/proc/self/task")))
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 60)])
if os.fork() == 0:
    os._exit(0)
print(len(threads), flush=True)
sys.stdin.read()
"""
    process = start(code, wait=False)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    assert process.pid in {found.pid for found in ask_all()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_other_threads_make_throttlers_end(start: Start) -> None:
    code = """
import os, sys, threading
from sluicegate import RateLimit, Throttler
over = threading.Event()
def make():
    while not over.is_set():
        Throttler([RateLimit("/x", 5, 60)])
threads = [threading.Thread(target=make) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(50):
    pid = os.fork()
    if pid == 0:
        Throttler([RateLimit("/x", 5, 60)])
        if os.fork() == 0: os._exit(0)
        os.wait()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
over.set()
for thread in threads: thread.join()
print("over", flush=True)
sys.stdin.read()
"""
    process = start(code)
    assert [found.pid for found in ask_all(patience=5)] == [process.pid]


#: A bot of a version that tells less of a limit than is shown.
OTHER_VERSION = (
    b'{"command": "bot.py", "at": 1.5, "caches": [], "throttlers": [{"throttler": 1, '
    b'"waiting": [], "limits": [{"limit_id": "/x", "limit": 5, "used": 1}]}]}\n'
)


@pytest.mark.parametrize(
    ("says", "state"),
    [
        (b"", BROKEN_OFF),
        (b"[]\n", STRANGE),
        (b'{"throttlers": 1}\n', STRANGE),
        (b"\xff" * 99, STRANGE),
        (b"[" * 99_999, STRANGE),
        (b'{"a":' * 9_999 + b"}\n", STRANGE),
        (OTHER_VERSION, STRANGE),
        (OTHER_VERSION[:-9], BROKEN_OFF),
    ],
)
def test_a_socket_that_speaks_nonsense_harms_nobody(
    says: bytes, state: str, runtime: Path, start: Start
) -> None:
    process = start(bot())
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.bind(str(runtime / "1-0.sock"))
        hostile.listen()
        hostile.setblocking(False)
        # It has connected before anybody accepts, and the answer waits for it.
        script = f"""
import socket, sys
hostile = socket.socket(fileno={hostile.fileno()})
hostile.setblocking(True)
talk, _ = hostile.accept()
talk.sendall({says!r})
"""
        peer = subprocess.Popen([sys.executable, "-c", script], pass_fds=[hostile.fileno()])
        found = {one.pid: one.state for one in ask_all(patience=20)}
        peer.wait()
    assert found == {1: state, process.pid: ""}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that it has ended")
@pytest.mark.parametrize("says", [b"", OTHER_VERSION[:-9]])
def test_a_bot_that_is_killed_while_it_answers_is_left_out(says: bytes, runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    script = f"""
import os, signal, socket
hostile = socket.socket(socket.AF_UNIX)
hostile.bind({str(runtime)!r} + f"/{{os.getpid()}}-0.sock")
hostile.listen()
print("ready", flush=True)
talk, _ = hostile.accept()
talk.sendall({says!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        states = {found.state for found in ask_all(patience=20)}
        # The kernel closes its sockets a moment before it calls it ended.
        assert states <= {BROKEN_OFF}
        process.wait()


def test_a_socket_that_says_nothing_keeps_nobody_waiting(runtime: Path, start: Start) -> None:
    process = start(bot())
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.bind(str(runtime / f"{os.getpid()}-0.sock"))
        hostile.listen()
        states = {found.pid: found.state for found in ask_all(patience=3)}
    assert states == {os.getpid(): BUSY, process.pid: ""}


def test_who_connects_and_does_not_read_keeps_neither_the_bot_nor_others(
    start: Start, runtime: Path
) -> None:
    more = "throttler.set_rate_limits([RateLimit(f'{n}' * 50, 9, 9) for n in range(5000)])"
    process = start(bot(more))
    [path] = runtime.glob("*.sock")
    with socket.socket(socket.AF_UNIX) as talk:
        talk.connect(str(path))
        # It waits at most a second for that one.
        [found] = ask_all(patience=20)
        assert found.state == ""
        process.communicate("", timeout=20)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can be another")
def test_another_user_cannot_connect(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", open_to_all)
        process = start(bot())
        [path] = Path(open_to_all).glob("sluicegate/*.sock")
        assert path.name.startswith(f"{process.pid}-")
        code = f"""
import os, socket
os.setgroups([]), os.setgid(65534), os.setuid(65534)
talk = socket.socket(socket.AF_UNIX)
try:
    talk.connect({str(path)!r})
except PermissionError:
    print("refused")
"""
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout == "refused\n"
        process.kill()
        process.wait()
