"""How a shared throttler ends: closed, dropped, or with its program."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from sluicegate import ClosedError, RateLimit, Throttler
from tests.helpers.loops import Runner
from tests.helpers.threads import Thread, until
from tests.sharing.bots import run_python

TABLE = [RateLimit("x", 2, 3600)]


def enter(throttler: Throttler) -> None:
    with throttler.execute_task("x"):
        pass


def spend_all(throttler: Throttler) -> None:
    for _ in range(2):
        enter(throttler)


def test_close_refuses_threads_that_wait_and_all_that_come_later(store: str) -> None:
    throttler = Throttler(TABLE, share=store)
    spend_all(throttler)
    waiters = [Thread(enter, throttler) for _ in range(3)]
    until(lambda: throttler.usage("x").waiting == 3)
    assert throttler.close()
    for waiter in waiters:
        with pytest.raises(ClosedError, match="Make a new one"):
            waiter.outcome()
    with pytest.raises(ClosedError):
        enter(throttler)
    with pytest.raises(ClosedError):
        throttler.charge("x")
    assert throttler.close()


def test_close_refuses_tasks_that_wait(store: str, run: Runner) -> None:
    async def main() -> None:
        throttler = Throttler(TABLE, share=store)

        async def request() -> None:
            async with throttler.execute_task("x"):
                pass

        await asyncio.gather(request(), request())
        waiters = [asyncio.create_task(request()) for _ in range(3)]
        await asyncio.sleep(0)
        cancelled = waiters.pop()
        cancelled.cancel()
        assert await asyncio.to_thread(throttler.close)
        for outcome in await asyncio.gather(*waiters, return_exceptions=True):
            assert isinstance(outcome, ClosedError)

    run(main())


def test_nothing_passes_after_close_whatever_was_under_way(store: str) -> None:
    """Its thread may be on the way to the store and come back with units."""
    table = [RateLimit("x", 20, 0.02)]
    other = Throttler(table, share=store)
    over = threading.Event()

    def hammer(throttler: Throttler) -> None:
        while not over.is_set():
            with throttler.execute_task("x"):
                pass

    rival = Thread(hammer, other)
    for _ in range(40):
        closing = Throttler(table, share=store)
        hammers = [Thread(hammer, closing) for _ in range(2)]
        until(lambda closing=closing: closing.usage("x").used > 0)
        closing.close(0)
        for _ in range(200):
            with pytest.raises(ClosedError):
                closing.charge("x")
        for thread in hammers:
            with pytest.raises(ClosedError):
                thread.outcome()
    over.set()
    rival.outcome()
    other.close()


def test_what_was_closed_is_there_for_others_at_once(store: str) -> None:
    other = Throttler(TABLE, share=store)
    with contextlib.closing(Throttler(TABLE, share=store)) as first:
        enter(first)
    enter(other)
    assert not other.try_acquire("x")
    shared = other.usage("x").shared
    assert shared is not None
    assert (shared.used, len(shared.members)) == (2, 1)
    other.close()


def test_a_throttler_that_nobody_has_any_more_gives_back_what_it_had(store: str) -> None:
    throttler = Throttler(TABLE, share=store)
    enter(throttler)
    other = Throttler(TABLE, share=store)
    del throttler
    until(lambda: len(other.usage("x").shared.members) == 1)  # type: ignore[union-attr]
    enter(other)
    other.close()


def test_a_throttler_that_is_not_shared_does_not_close() -> None:
    throttler = Throttler(TABLE)
    assert throttler.close()
    assert throttler.try_acquire("x")
    with pytest.raises(ValueError, match="timeout must be a number of seconds, 0 or more, not -1"):
        throttler.close(-1)


def test_a_cancelled_wait_takes_nothing(store: str) -> None:
    async def main() -> None:
        first, second = (Throttler([RateLimit("x", 1, 0.2)], share=store) for _ in range(2))

        async def request(throttler: Throttler) -> None:
            async with throttler.execute_task("x"):
                pass

        for _ in range(10):
            holder = asyncio.create_task(request(first))
            given_up = [asyncio.create_task(request(second)) for _ in range(3)]
            await holder
            for task in given_up:
                task.cancel()
            await asyncio.gather(*given_up, return_exceptions=True)
            await asyncio.wait_for(request(second), 30)
        assert first.usage("x").waiting == second.usage("x").waiting == 0
        first.close()
        second.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "wait",
    [
        "throttler.execute_task('x').__enter__()",
        "asyncio.run(enter())",
    ],
    ids=["thread", "loop"],
)
def test_a_program_ends_while_others_wait_and_gives_back_what_it_had(store: str, wait: str) -> None:
    done = run_python(
        f"""
import asyncio, sys, threading, time
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("x", 1, 3600), RateLimit("y", 5, 3600)], share=sys.argv[1])
with throttler.execute_task("x"): pass
with throttler.execute_task("y"): pass
async def enter():
    async with throttler.execute_task("x"): pass
for _ in range(3):
    threading.Thread(target=lambda: {wait}, daemon=True).start()
while throttler.usage("x").waiting < 3: time.sleep(0.001)
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")
    heir = Throttler([RateLimit("x", 1, 3600), RateLimit("y", 5, 3600)], share=store)
    shared = heir.usage("y").shared
    assert shared is not None
    assert (shared.used, shared.free, len(shared.members)) == (1, 4, 1)
    heir.close()


def test_no_thread_of_ours_runs_python_code_while_the_interpreter_ends(store: str) -> None:
    """Over and over: waiting daemon threads, and a second throttler that makes units move."""
    for _ in range(5):
        done = run_python(
            """
import sys, threading
from sluicegate import RateLimit, Share, Throttler
share = Share(sys.argv[1], arrival=0)
throttlers = [Throttler([RateLimit("x", 5, 0.005)], share=share) for _ in range(2)]
passed = threading.Semaphore(0)
def work(throttler):
    while True:
        with throttler.execute_task("x"): passed.release()
def poll(throttler):
    while True:
        throttler.charge("x")
for throttler in throttlers * 2:
    threading.Thread(target=work, args=[throttler], daemon=True).start()
    threading.Thread(target=poll, args=[throttler], daemon=True).start()
for _ in range(50): passed.acquire()
""",
            store,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_hooks_of_the_end_may_still_use_it_and_nobody_shares_after_it(store: str) -> None:
    done = run_python(
        """
import atexit, sys
def last():
    from sluicegate import ClosedError
    try:
        throttler.charge("x")
    except ClosedError:
        print("closed")
    try:
        Throttler([RateLimit("x", 1, 1)], share=sys.argv[1])
    except RuntimeError as error:
        print(error)
atexit.register(last)  # before ours, so it runs after ours
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("x", 5, 1)], share=sys.argv[1])
def cancel_orders():
    with throttler.execute_task("x"): print("sent")
atexit.register(cancel_orders)
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "sent",
        "closed",
        "the program is ending: no throttler can share a budget any more",
    ]
