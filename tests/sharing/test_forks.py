"""Forks of a process that shares a budget: the child is a new member with nothing in hand."""

from __future__ import annotations

from tests.sharing.bots import run_python

START = """
import os, sys, threading, time
from sluicegate import RateLimit, Share, Throttler
def join(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_a_fork_does_not_double_the_budget(store: str) -> None:
    done = run_python(
        START
        + """
throttler = Throttler([RateLimit("x", 6, 3600)], share=sys.argv[1])
for _ in range(2):
    with throttler.execute_task("x"): pass
pid = os.fork()
if pid == 0:
    assert throttler.usage("x").limit == throttler.usage("x").used == 0
    for _ in range(3):
        with throttler.execute_task("x"): pass
    members = throttler.usage("x").shared.members
    assert {member.pid for member in members} == {os.getpid(), os.getppid()}, members
    sys.exit()
join(pid)
with throttler.execute_task("x"): pass
for _ in range(20):
    assert not throttler.try_acquire("x")
    time.sleep(0.01)
assert throttler.usage("x").shared.used == 6
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_forks_while_all_threads_wait_and_pass(store: str) -> None:
    """A fork never copies a lock that a thread holds, and its child works at once."""
    done = run_python(
        START
        + """
throttler = Throttler([RateLimit("x", 50, 0.05)], share=Share(sys.argv[1], arrival=0))
over = threading.Event()
def work():
    while not over.is_set():
        with throttler.execute_task("x"): pass
def look():
    while not over.is_set():
        throttler.usage("x").shared
def make():
    while not over.is_set():
        Throttler([RateLimit("y", 1, 1)], share=sys.argv[1]).close()
threads = [threading.Thread(target=f) for f in (work, work, look, make)]
for thread in threads: thread.start()
for n in range(30):
    pid = os.fork()
    if pid == 0:
        with throttler.execute_task("x"): pass
        if n % 2: throttler.close()
        os._exit(0)
    join(pid)
over.set()
for thread in threads: thread.join()
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_child_of_multiprocessing_gives_back_what_it_had_when_it_ends(store: str) -> None:
    done = run_python(
        START
        + """
import multiprocessing
throttler = Throttler([RateLimit("x", 4, 3600)], share=sys.argv[1])
other = Throttler([RateLimit("x", 4, 3600)], share=sys.argv[1])
def work():
    with throttler.execute_task("x"): pass
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
assert child.exitcode == 0
shared = other.usage("x").shared
assert {member.pid for member in shared.members} == {os.getpid()}, shared.members
assert shared.used == 1
for _ in range(3):
    with other.execute_task("x"): pass
assert other.usage("x").shared.used == 4
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_child_of_a_closed_throttler_is_closed(store: str) -> None:
    done = run_python(
        START
        + """
from sluicegate import ClosedError
throttler = Throttler([RateLimit("x", 4, 3600)], share=sys.argv[1])
assert throttler.close()
pid = os.fork()
if pid == 0:
    assert throttler.close()
    try:
        throttler.charge("x")
    except ClosedError:
        os._exit(0)
    os._exit(1)
join(pid)
child = Throttler([RateLimit("x", 4, 3600)], share=sys.argv[1])
pid = os.fork()
if pid == 0:
    os._exit(0 if child.close() else 1)
join(pid)
with child.execute_task("x"): pass
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_workers_of_a_pool_share_the_budget_of_their_parent(store: str) -> None:
    done = run_python(
        START
        + """
import concurrent.futures, multiprocessing
throttler = Throttler([RateLimit("x", 20, 3600)], share=sys.argv[1])
def work(_):
    return throttler.charge("x") or throttler.execute_task("x", timeout=30).__enter__() is None
context = multiprocessing.get_context("fork")
with concurrent.futures.ProcessPoolExecutor(3, mp_context=context) as pool:
    assert all(pool.map(work, range(20)))
assert throttler.usage("x").shared.used == 20
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")
