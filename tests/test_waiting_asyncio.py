"""Waiting in event loops: order, cancellation, time-outs, and blocks that end badly."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
import uvloop

from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from sluicegate._core import Ready
from sluicegate._waiting import READY
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle


def in_use(throttler: Throttler, limit_id: str = "/x") -> tuple[int, int, int]:
    usage = throttler.usage(limit_id)
    return usage.used, usage.in_flight, usage.waiting


async def pass_through(throttler: Throttler, log: list[object], name: object) -> None:
    async with throttler.execute_task("/x"):
        log.append(name)


def test_a_request_that_fits_enters_without_suspending(throttler: Throttler) -> None:
    async def enter() -> str:
        async with throttler.execute_task("/x"):
            return "inside"

    with pytest.raises(StopIteration) as finished:
        enter().send(None)
    assert finished.value.value == "inside"
    assert in_use(throttler) == (1, 0, 0)


def test_waiters_pass_in_order_at_the_instants_at_which_they_fit(run: Runner) -> None:
    async def main() -> None:
        clock = ManualClock()
        throttler = Throttler([RateLimit("/x", 2, 10)], clock=clock)
        log: list[object] = []
        tasks = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(6)]
        await settle()
        assert log == [0, 1]
        assert throttler.usage("/x").waiting == 4
        clock.advance(9.999)
        await settle()
        assert log == [0, 1]
        clock.advance(0.001)
        await settle()
        assert log == [0, 1, 2, 3]
        clock.advance(10)
        await asyncio.gather(*tasks)
        assert log == [0, 1, 2, 3, 4, 5]

    run(main())


def test_units_stay_in_flight_until_the_block_ends_and_then_one_interval(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x", units=2):
            clock.advance(1000)
            assert in_use(throttler) == (2, 2, 0)
            assert not throttler.try_acquire("/x")
        assert in_use(throttler) == (2, 0, 0)
        clock.advance(9.999)
        assert not throttler.try_acquire("/x")
        clock.advance(0.001)
        assert throttler.try_acquire("/x")

    run(main())


def test_hold_start_counts_from_the_instant_of_entering(run: Runner, clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)

    async def main() -> None:
        async with throttler.execute_task("/x"):
            clock.advance(10)
            assert throttler.try_acquire("/x")

    run(main())


def test_cancelled_waiter_leaves_no_charge_and_no_place(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x", 2)
        first, second = (
            asyncio.create_task(pass_through(throttler, log, name)) for name in ("first", "second")
        )
        await settle()
        assert in_use(throttler) == (2, 0, 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert in_use(throttler) == (2, 0, 1)
        clock.advance(10)
        await second
        assert log == ["second"]
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_waiter_cancelled_in_the_moment_of_its_grant_gives_it_to_the_next(
    run: Runner, clock: ManualClock
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x")
        first, second = (
            asyncio.create_task(pass_through(throttler, log, name)) for name in ("first", "second")
        )
        await settle()
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 1), "granted, and not awake yet"
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert log == ["second"]

    run(main())


def test_cancelling_many_waiters_at_once_lets_the_others_go(
    run: Runner, clock: ManualClock
) -> None:
    """Each cancellation wakes others while its exception passes by, which once crashed."""
    table = [
        RateLimit("POOL", 10, 10),
        RateLimit("/heavy", 10, 10, linked_limits=[LinkedLimitWeightPair("POOL", 10)]),
        RateLimit("/x", 10, 10, linked_limits=[LinkedLimitWeightPair("POOL", 1)]),
    ]
    throttler = Throttler(table, clock=clock)

    async def main() -> None:
        log: list[object] = []

        async def heavy() -> None:
            async with throttler.execute_task("/heavy"):
                pass

        assert throttler.try_acquire("POOL")
        heavies = [asyncio.create_task(heavy()) for _ in range(20)]
        await settle()
        lights = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(9)]
        await settle()
        assert log == [], "nobody passes the heavy ones that came before"
        for task in heavies:
            task.cancel()
        ended = await asyncio.gather(*heavies, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        await asyncio.gather(*lights)
        assert log == list(range(9))

    run(main())


def test_a_block_that_raises_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with throttler.execute_task("/x"):
                _ = 1 / 0
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_block_that_is_cancelled_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def stay() -> None:
        async with throttler.execute_task("/x"):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(stay())
        await settle()
        assert in_use(throttler) == (1, 1, 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_task_that_is_dropped_inside_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def main() -> None:
        task = throttler.execute_task("/x")
        await task.__aenter__()
        assert in_use(throttler) == (1, 1, 0)
        del task
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_grant_whose_task_has_waited_is_given_to_the_window_too_when_dropped(
    run: Runner, clock: ManualClock
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        assert throttler.try_acquire("/x")
        task = throttler.execute_task("/x")
        entering = asyncio.ensure_future(task.__aenter__())
        await settle()
        clock.advance(10)
        await entering
        assert in_use(throttler) == (1, 1, 0)
        del task, entering
        gc.collect()
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_task_may_be_entered_again_once_it_was_left(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        task = throttler.execute_task("/x")
        for _ in range(2):
            async with task:
                with pytest.raises(RuntimeError, match="entered already"):
                    await task.__aenter__()
        with pytest.raises(RuntimeError, match="was not entered"):
            await task.__aexit__(None, None, None)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_task_that_waits_cannot_be_entered_twice(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = throttler.execute_task("/x")
        waiting: Awaitable[None] = task.__aenter__()
        with pytest.raises(RuntimeError, match="entered already"):
            await task.__aenter__()
        assert throttler.usage("/x").waiting == 1
        del waiting
        assert throttler.usage("/x").waiting == 0
        assert repr(task) == '<Task of "/x", not entered>'

    run(main())


def test_timeout_zero_never_waits(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x", timeout=0):
            pass
        assert throttler.try_acquire("/x")
        with pytest.raises(RateLimitTimeout, match='"/x" could not pass within 0 s'):
            async with throttler.execute_task("/x", timeout=0):
                pytest.fail("it entered")
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_timeout_ends_the_wait_and_charges_nothing(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def wait() -> None:
        async with throttler.execute_task("/x", timeout=4):
            pytest.fail("it entered")

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(wait())
        await settle()
        clock.advance(3.999)
        await settle()
        assert not task.done()
        clock.advance(0.001)
        with pytest.raises(TimeoutError) as caught:
            await task
        assert isinstance(caught.value, RateLimitTimeout)
        assert (caught.value.limit_id, caught.value.timeout) == ("/x", 4.0)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_grant_at_the_very_end_of_the_timeout_counts(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def wait() -> str:
        async with throttler.execute_task("/x", timeout=10):
            return "inside"

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(wait())
        await settle()
        clock.advance(10)
        assert await task == "inside"

    run(main())


def test_timers_of_the_loop_end_a_wait(run: Runner) -> None:
    throttler = Throttler([RateLimit("/x", 1, 0.02)])

    async def main() -> None:
        log: list[object] = []
        await asyncio.gather(*(pass_through(throttler, log, n) for n in range(5)))
        assert log == [0, 1, 2, 3, 4]
        with pytest.raises(RateLimitTimeout):
            async with throttler.execute_task("/x", timeout=0.001):
                pytest.fail("it entered")

    run(main())


def test_wait_for_gives_up_like_a_cancellation(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(pass_through(throttler, [], 0), 0.01)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_waiting_outside_of_an_event_loop_is_an_error(throttler: Throttler) -> None:
    assert throttler.try_acquire("/x", 2)
    task = throttler.execute_task("/x")
    with pytest.raises(RuntimeError, match="no running event loop"):
        task.__aenter__()  # type: ignore[unused-coroutine] # it raises at once
    assert in_use(throttler) == (2, 0, 0)
    assert repr(task) == '<Task of "/x", not entered>'


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


def test_a_cancelled_wait_gives_its_place_back_while_its_traceback_lives(
    run: Runner, throttler: Throttler
) -> None:
    async def keep_awaitable() -> None:
        entering = throttler.execute_task("/x").__aenter__()
        await entering

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(keep_awaitable())
        await settle()
        task.cancel()
        (kept,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(kept, asyncio.CancelledError)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_entering_can_be_wrapped_whether_it_waits_or_not(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        first, second, third = (throttler.execute_task("/x") for _ in range(3))
        await asyncio.wait_for(first.__aenter__(), 1)
        await asyncio.gather(second.__aenter__(), return_exceptions=False)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(third.__aenter__(), 0.01)
        usage = throttler.usage("/x")
        assert (usage.in_flight, usage.waiting) == (2, 0)
        for task in (first, second):
            await task.__aexit__(None, None, None)

    run(main())


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
    [
        (asyncio.new_event_loop, False),
        (asyncio.new_event_loop, True),
        (uvloop.new_event_loop, True),  # one that is not closed is never collected, by itself
    ],
    ids=["asyncio, left open", "asyncio, closed", "uvloop, closed"],
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
    throttler = Throttler([RateLimit("/x", 1, 0.02), RateLimit("/y", 1, 0.05)], hold="start")
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
        assert reports, "whoever raised is heard"
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


class Stopped:
    """A loop that is stopped while a request waits in it, and is then granted its turn."""

    def __init__(self, throttler: Throttler, clock: ManualClock) -> None:
        self.throttler = throttler
        self.log: list[object] = []
        assert throttler.try_acquire("/x")
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(pass_through(throttler, self.log, "late"))
        self.loop.run_until_complete(settle())
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 0), "granted, and it does not come"

    def resume(self) -> None:
        self.loop.run_until_complete(settle())

    def close(self) -> None:
        self.task.cancel()
        self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.close()


@pytest.mark.parametrize("hold", ["response", "start"])
def test_a_grant_that_nobody_comes_for_goes_to_others_after_a_second(
    clock: ManualClock, hold: Literal["response", "start"]
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold=hold, clock=clock)
    stopped = Stopped(throttler, clock)
    clock.advance(0.999)
    assert not throttler.try_acquire("/x")
    clock.advance(0.001)
    assert throttler.try_acquire("/x")
    stopped.resume()
    assert stopped.log == [], "its turn went to somebody else"
    assert throttler.usage("/x").waiting == 1
    clock.advance(10)
    stopped.resume()
    assert stopped.log == ["late"]
    assert in_use(throttler)[1:] == (0, 0)
    stopped.close()


def test_whoever_comes_late_for_its_grant_finds_its_old_place(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)
    stopped = Stopped(throttler, clock)

    async def main() -> None:
        order: list[object] = []
        waiting = [asyncio.create_task(pass_through(throttler, order, n)) for n in range(2)]
        await settle()
        clock.advance(1)
        await settle()
        assert order == [0], "the first of those who came after it"
        thread = threading.Thread(target=stopped.resume)
        thread.start()
        thread.join()
        assert throttler.usage("/x").waiting == 2
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 1)
        thread = threading.Thread(target=stopped.resume)
        thread.start()
        thread.join()
        assert (order, stopped.log) == ([0], ["late"])
        clock.advance(10)
        await asyncio.gather(*waiting)
        assert order == [0, 1]

    asyncio.run(main())
    stopped.close()


def test_what_a_loop_was_granted_does_not_go_to_others_of_the_same_loop(
    run: Runner, clock: ManualClock
) -> None:
    """They run when it does: it would be of no use to them. Time moves on here while none runs."""
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x")
        tasks = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(3)]
        await settle()
        for _ in range(100):
            clock.advance(1)
        await settle()
        assert log == [0]
        for _ in range(2):
            clock.advance(10)
            await settle()
        await asyncio.gather(*tasks)
        assert log == [0, 1, 2]

    run(main())


def test_a_grant_does_not_lapse_while_the_clock_moves_in_one_step(clock: ManualClock) -> None:
    """Nobody can come for a grant meanwhile: its second begins when the clock stands."""
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    assert throttler.try_acquire("/x")

    async def main() -> None:
        log: list[object] = []
        task = asyncio.create_task(pass_through(throttler, log, 0))
        await settle()
        clock.advance(1000)
        assert not throttler.try_acquire("/x")
        await task

    asyncio.run(main())


def test_a_wait_that_is_cancelled_after_its_grant_went_back_leaves_nothing(
    clock: ManualClock,
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    stopped = Stopped(throttler, clock)
    clock.advance(1)
    assert throttler.try_acquire("/x")
    stopped.close()
    assert stopped.log == []
    assert in_use(throttler) == (1, 0, 0)


def test_a_wait_that_times_out_while_its_loop_is_away_raises_when_that_is_back(
    clock: ManualClock,
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)
    assert throttler.try_acquire("/x")
    loop = asyncio.new_event_loop()

    async def wait() -> None:
        async with throttler.execute_task("/x", timeout=12):
            pytest.fail("it entered")

    task = loop.create_task(wait())
    loop.run_until_complete(settle())
    clock.advance(10)
    clock.advance(1)
    assert throttler.try_acquire("/x")
    clock.advance(5)
    with pytest.raises(RateLimitTimeout):
        loop.run_until_complete(task)
    loop.close()
    assert in_use(throttler) == (1, 0, 0)


@pytest.mark.parametrize("room", [True, False])
def test_a_task_can_be_made_of_entering_whether_there_is_room_or_not(
    run: Runner, clock: ManualClock, throttler: Throttler, room: bool
) -> None:
    async def main() -> None:
        if not room:
            assert throttler.try_acquire("/x", 2)
        task = throttler.execute_task("/x")
        entering = asyncio.create_task(task.__aenter__())
        await settle()
        if not room:
            clock.advance(10)
        await entering
        assert throttler.usage("/x").in_flight == 1
        await asyncio.create_task(task.__aexit__(None, None, None))
        assert throttler.usage("/x").in_flight == 0

    run(main())


@pytest.mark.parametrize("awaitable", [READY, Ready()], ids=["of this Python", "ours"])
def test_what_is_ready_can_be_awaited_in_every_way_again_and_again(
    run: Runner, awaitable: Any
) -> None:
    async def main() -> None:
        for _ in range(2):
            await awaitable
            await asyncio.wait_for(awaitable, 1)
            await asyncio.gather(awaitable)
            await asyncio.ensure_future(awaitable)
            await asyncio.create_task(awaitable)
        with pytest.raises(ZeroDivisionError):
            awaitable.throw(ZeroDivisionError())
        awaitable.close()
        await awaitable

    run(main())
