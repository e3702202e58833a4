"""Several event loops; loops that are closed or dropped; wake-ups that are interrupted."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import NEW_LOOPS, Runner, settle
from tests.waiting.asyncio_requests import in_use, pass_through


def test_one_throttler_serves_several_loops_and_threads_at_once() -> None:
    throttler = Throttler([RateLimit("/x", 20, 0.05)], hold="start")
    log: list[object] = []

    async def crowd() -> None:
        await asyncio.gather(*(pass_through(throttler, log, n) for n in range(40)))

    def thread() -> None:
        for n in range(20):
            with throttler.execute_task("/x"):
                log.append(n)

    threads = [threading.Thread(target=asyncio.run, args=(crowd(),)) for _ in range(2)]
    threads += [threading.Thread(target=thread) for _ in range(4)]
    for started in threads:
        started.start()
    for started in threads:
        started.join(timeout=60)
        assert not started.is_alive(), f"deadlock: {throttler.usage('/x')}"
    assert len(log) == 160
    assert throttler.usage("/x").waiting == 0


def test_a_waiter_of_a_closed_loop_does_not_hold_others_up(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    assert throttler.try_acquire("/x")
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(pass_through(throttler, [], "abandoned"))
    loop.run_until_complete(settle())
    loop.close()
    assert throttler.usage("/x").waiting == 1
    clock.advance(10)
    assert in_use(throttler) == (0, 0, 0), "its grant went back"
    abandoned._log_destroy_pending = False  # type: ignore[attr-defined] # it is, on purpose
    with pytest.raises(RuntimeError):
        abandoned.get_coro().throw(RuntimeError)  # type: ignore[union-attr]


def test_many_waiters_of_a_closed_loop_go_one_after_the_other(clock: ManualClock) -> None:
    """Each grant goes back and so finds the next one: as a loop, not as deep as they are many."""
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    assert throttler.try_acquire("/x")
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(pass_through(throttler, [], n)) for n in range(20_000)]
    loop.run_until_complete(settle())
    loop.close()
    assert throttler.usage("/x").waiting == 20_000
    clock.advance(10)
    assert in_use(throttler) == (0, 0, 0)
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined] # it is, on purpose
        task.get_coro().close()  # type: ignore[union-attr]


def test_an_interrupted_wake_up_is_made_again(clock: ManualClock, throttler: Throttler) -> None:
    """A signal's exception in the middle of waking a loop must not cost its waiter the turn."""

    class Interrupted(asyncio.SelectorEventLoop):
        interruptions = 0

        def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:
            handle = super().call_soon_threadsafe(*args, **kwargs)
            if self.interruptions < 1:
                self.interruptions += 1
                raise InterruptedError("as a signal handler would")
            return handle

    assert throttler.try_acquire("/x", 2)
    loop = Interrupted()
    reports: list[object] = []
    sys.unraisablehook, hook = reports.append, sys.unraisablehook
    try:
        log: list[object] = []
        task = loop.create_task(pass_through(throttler, log, "through"))
        loop.run_until_complete(settle())
        clock.advance(10)  # from outside the loop, as another thread would
        loop.run_until_complete(task)
    finally:
        sys.unraisablehook = hook
        loop.close()
    assert log == ["through"]
    assert len(reports) == 1


def test_a_timer_set_while_another_thread_silences_the_loop_stays() -> None:
    """The last waiter of a loop is let through from another thread; before that thread has put the
    loop's timer out, the next waiter has come and set it again."""
    throttler = Throttler([RateLimit("/x", 1, 0.5)], hold="start")
    log: list[object] = []

    class Meddled(asyncio.SelectorEventLoop):
        next_waiter: asyncio.Task[None] | None = None

        def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:
            handle = super().call_soon_threadsafe(*args, **kwargs)
            if self.next_waiter is None:
                self.next_waiter = self.create_task(pass_through(throttler, log, "second"))
                thread = threading.Thread(target=self.run_until_complete, args=(settle(),))
                thread.start()
                thread.join()
            return handle

    loop = Meddled()
    assert throttler.try_acquire("/x")
    first = loop.create_task(pass_through(throttler, log, "first"))
    loop.run_until_complete(settle())
    assert throttler.usage("/x").waiting == 1
    throttler.set_rate_limits([RateLimit("/x", 2, 0.5)])
    assert loop.next_waiter is not None
    assert throttler.usage("/x").waiting == 1
    loop.run_until_complete(asyncio.wait_for(asyncio.gather(first, loop.next_waiter), 20))
    loop.close()
    assert log == ["first", "second"]


def test_a_live_loop_keeps_waiters_that_nobody_else_keeps(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    """asyncio holds its tasks weakly, and bots fire requests whose tasks they do not keep. Here no
    timer of ours is set either: the clock is a manual one."""

    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x", 2)
        for number in range(6):
            asyncio.ensure_future(pass_through(throttler, log, number))  # noqa: RUF006 # on purpose
        await settle()
        gc.collect()
        assert throttler.usage("/x").waiting == 6
        for _ in range(3):
            clock.advance(10)
            gc.collect()
            await settle()
        assert log == [0, 1, 2, 3, 4, 5]

    run(main())


@pytest.mark.parametrize(
    ("new_loop", "closes"),
    # One of uvloop that is not closed is never collected, by itself.
    [(asyncio.new_event_loop, False), *((new_loop, True) for new_loop in NEW_LOOPS.values())],
    ids=["asyncio, left open", *(f"{name}, closed" for name in NEW_LOOPS)],
)
def test_waiters_of_a_loop_that_is_dropped_are_collected_with_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop], closes: bool
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert throttler.try_acquire("/x")
    loop = new_loop()
    task = loop.create_task(pass_through(throttler, [], "abandoned"))
    task._log_destroy_pending = False  # type: ignore[attr-defined] # it is, on purpose
    loop.run_until_complete(settle())
    assert throttler.usage("/x").waiting == 1
    if closes:
        loop.close()
    alive = weakref.ref(loop)
    del loop, task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it is not closed, on purpose
        gc.collect()
    assert throttler.usage("/x").waiting == 0
    assert alive() is None


def test_a_loop_keeps_no_waiter_longer_than_it_waits(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        passes, cancelled, times_out = (
            asyncio.create_task(wait)
            for wait in (
                pass_through(throttler, [], 0),
                pass_through(throttler, [], 1),
                asyncio.wait_for(pass_through(throttler, [], 2), 0.01),
            )
        )
        dropped = throttler.execute_task("/x").__aenter__()
        await settle()
        kept = asyncio.get_running_loop()._sluicegate_waiting  # type: ignore[attr-defined]
        assert len(kept) == 4
        cancelled.cancel()
        del dropped
        clock.advance(10)
        await asyncio.gather(passes, cancelled, times_out, return_exceptions=True)
        assert len(kept) == 0

    run(main())


class Unsettable(asyncio.SelectorEventLoop):
    """Setting a timer fails, for these attempts: as when a signal handler raises in between."""

    failing = range(0)
    attempts = 0

    def call_later(self, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        if type(args[1]).__name__ == "LoopCall":
            self.attempts += 1
            if self.attempts - 1 in self.failing:
                raise InterruptedError("as a signal handler would")
        return super().call_later(*args, **kwargs)


def test_a_timer_whose_setting_is_interrupted_is_set_again() -> None:
    throttler = Throttler([RateLimit("/x", 1, 0.02), RateLimit("/y", 1, 0.5)], hold="start")
    assert throttler.try_acquire("/x")
    assert throttler.try_acquire("/y")
    loop = Unsettable()
    loop.failing = range(1, 3)  # where the timer that has gone off for "/x" is set again, for "/y"
    reports: list[object] = []
    loop.set_exception_handler(lambda _loop, context: reports.append(context["exception"]))
    sys.unraisablehook, hook = reports.append, sys.unraisablehook

    async def one(limit_id: str) -> None:
        async with throttler.execute_task(limit_id):
            pass

    try:
        tasks = [loop.create_task(one(limit_id)) for limit_id in ("/x", "/y")]
        loop.run_until_complete(asyncio.wait_for(asyncio.wait(tasks), 20))
        assert all(task.done() for task in tasks)
        assert reports, "the error is reported"
    finally:
        sys.unraisablehook = hook
        loop.close()


def test_a_timer_that_cannot_be_set_at_all_is_asked_for_again_at_the_next_occasion() -> None:
    throttler = Throttler([RateLimit("/x", 1, 0.02)], hold="start")
    assert throttler.try_acquire("/x")
    loop = Unsettable()
    log: list[object] = []
    reports: list[object] = []
    sys.unraisablehook, hook = reports.append, sys.unraisablehook
    try:
        loop.failing = range(1000)
        task = loop.create_task(pass_through(throttler, log, "through"))
        loop.run_until_complete(settle())
        assert loop.attempts
        assert throttler.usage("/x").waiting == 1
        loop.failing = range(0)
        throttler.wait_time("/x")  # any look at the gate from within the loop or without
        loop.run_until_complete(asyncio.wait_for(task, 20))
    finally:
        sys.unraisablehook = hook
        loop.close()
    assert log == ["through"]
    assert reports
