"""A fork while other threads wait, fail or use a cache for the first time in the process.

What is made at the first use (a class, a name, an imported module) must not be copied half made:
the child would wait for ever for a thread that it does not have.
"""

from __future__ import annotations

import os

import pytest

from tests.helpers.platforms import needs_budget_in_a_file
from tests.throttler.test_fork_and_exit import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

FORK_ALL_THE_TIME = """
over = threading.Event()
def repeat(job):
    while not over.is_set():
        job()
threads = [threading.Thread(target=repeat, args=(job,), daemon=True) for job in jobs]
for thread in threads: thread.start()
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # the end of a child that hangs
        child()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    time.sleep(0.001)
over.set()
for thread in threads: thread.join()
"""


def check(code: str) -> None:
    imports = "import os, signal, tempfile, threading, time\n"
    done = run_python(imports + code + FORK_ALL_THE_TIME)
    assert (done.returncode, done.stderr) == (0, "")


BUDGET = "Share('sqlite:///' + tempfile.mkdtemp() + '/b.db', arrival=0)"


@pytest.mark.parametrize("share", ["None", pytest.param(BUDGET, marks=needs_budget_in_a_file)])
def test_a_child_waits_though_others_made_their_first_waits(share: str) -> None:
    check(
        f"""
from sluicegate import RateLimit, RateLimitTimeout, Share, Throttler, UnknownLimitError
throttler = Throttler([RateLimit("x", 50, 0.05)], share={share})
"""
        """
def wait():
    with throttler.execute_task("x"): pass
def fail():
    try:
        with throttler.execute_task("x", timeout=0.0001): pass
    except RateLimitTimeout:
        pass
    try:
        throttler.execute_task("y")
    except UnknownLimitError:
        pass
jobs = [wait, wait, fail]
def child():
    for _ in range(60): wait()
    fail()
"""
    )


def test_a_child_waits_in_a_loop_though_another_thread_did_so_for_the_first_time() -> None:
    check(
        """
import asyncio
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("x", 50, 0.05)])
async def wait():
    async with throttler.execute_task("x"): pass
async def crowd():
    await asyncio.gather(*(wait() for _ in range(60)))
def child():
    # The loop of a child that was forked within no loop.
    asyncio.run(crowd())
jobs = [child, child]
"""
    )


def test_a_child_uses_a_cache_though_others_use_it_for_the_first_time() -> None:
    check(
        """
from sluicegate import LoadingCache, LRUCache, TTLCache
cache, recent, loading = TTLCache(50, 0.001), LRUCache(50), LoadingCache(50, 0.001)
def use():
    for n in range(100):
        cache[n] = recent[n] = n
        cache.get(n // 2), recent.get(n // 2), n in cache
    with cache.timer: list(cache.items())
    cache.expire(), repr(cache), cache == {}, cache.pop(3, None)
def load():
    for n in range(100): loading.get_or_load(n, str)
jobs = [use, use, load]
def child():
    use()
    load()
"""
    )
