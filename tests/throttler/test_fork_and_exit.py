"""A throttler in a process that forks, and one that ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from sluicegate import (
    RateLimit,
    Throttler,
)

#: Since Python 3.12 a fork beside other threads has a warning: these tests do it on purpose.
FORKS = ("-W", "ignore:This process:DeprecationWarning")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", *FORKS, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_holds_nothing_that_its_other_hooks_could_wait_for() -> None:
    done = run_python(
        """
import gc, os
os.register_at_fork(before=gc.collect)  # before ours: so it runs after ours
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 10, 3600)])
class Cycle: pass
cycle = Cycle(); cycle.me = cycle; cycle.task = throttler.execute_task("/x")
cycle.task.__enter__()
del cycle
pid = os.fork()
assert throttler.usage("/x").used == 1
if pid:
    assert os.waitpid(pid, 0)[1] == 0
"""
    )
    assert done.returncode == 0, done.stderr


def test_a_daemon_thread_that_waits_does_not_break_the_programs_end() -> None:
    """The end of the program finds it in its wait, over and over; Rust must not be unwound."""
    done = run_python(
        """
import threading
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 0.005)], hold="start")
passed = threading.Event()
def work():
    for n in range(10**9):
        with throttler.execute_task("/x"):
            if n > 20: passed.set()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
passed.wait()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_works_and_counts_on_its_own() -> None:
    throttler = Throttler([RateLimit("/x", 10, 3600)])
    stop = threading.Event()

    def hammer() -> None:
        """Holds the lock as often as it can, so that a fork meets it held."""
        while not stop.is_set():
            throttler.wait_time("/x")

    waiter_throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert waiter_throttler.try_acquire("/x")
    threads = [threading.Thread(target=hammer, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert throttler.try_acquire("/x", 2)
    task = throttler.execute_task("/x")
    try:
        with task:
            for _ in range(20):
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        usage = throttler.usage("/x")
                        assert (usage.used, usage.in_flight, usage.waiting) == (3, 0, 0), usage
                        task.__exit__(None, None, None)  # the parent's request: not the child's
                        assert throttler.usage("/x").used == 3
                        with throttler.execute_task("/x"):
                            assert throttler.usage("/x").in_flight == 1
                        status = 0
                    finally:
                        os._exit(status)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    assert throttler.usage("/x").used == 3
