"""Events: who is told what, when, in which thread, and what the log says."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
import weakref
from typing import Any

import pytest

from sluicegate import RateLimit, Throttler, ThrottlerEvent
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle
from tests.throttler.test_fork_and_exit import run_python

TABLE = [RateLimit("/a", 10, 60), RateLimit("/b", 10, 60)]


def lines(events: list[ThrottlerEvent]) -> list[str]:
    return [str(event) for event in events]


def test_a_callback_gets_each_event_with_its_values(clock: ManualClock) -> None:
    gate, events = Throttler(TABLE, clock=clock), list[ThrottlerEvent]()
    clock.set_wall(1_000)
    assert gate.on(events.append) == events.append
    gate.pause("/a", 5, reason="HTTP 429")
    gate.observe("/b", used=4, limit=8)
    clock.advance(60)
    assert [(x.kind, x.limit_id, x.time) for x in events] == [
        ("paused", "/a", 1_000.0),
        ("limit", "/b", 1_000.0),
        ("foreign", "/b", 1_000.0),
        ("resumed", "/a", 1_005.0),
    ]
    paused, limit, foreign, resumed = events
    assert (paused.seconds, paused.reason) == (5.0, "HTTP 429")
    assert (limit.limit, foreign.units, resumed.limit) == (8, 4, None)
    assert repr(paused) == '<ThrottlerEvent paused: "/a" is paused for 5 s: HTTP 429>'
    assert paused != resumed


def test_the_time_of_an_event_is_when_it_was_and_not_when_it_is_told() -> None:
    gate, events = Throttler(TABLE), list[ThrottlerEvent]()
    gate.on(events.append)
    before = time.time()
    gate.pause(None, 0.02)
    time.sleep(0.1)
    assert gate.charge("/a")
    assert [x.kind for x in events] == ["paused", "resumed"]
    assert before <= events[0].time <= events[1].time - 0.019 < before + 0.08


def test_a_callback_is_taken_back_and_a_bound_method_is_found(clock: ManualClock) -> None:
    class Bot:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def hear(self, event: ThrottlerEvent) -> None:
            self.seen.append(event.kind)

    gate, bot = Throttler(TABLE, clock=clock), Bot()
    gate.on(bot.hear)
    gate.on(bot.hear, waited_longer_than=1)
    gate.pause("/a", 5)
    assert gate.off(bot.hear)
    assert not gate.off(bot.hear)
    clock.advance(9)
    assert bot.seen == ["paused", "paused"]


def test_a_callback_may_take_itself_back_and_use_the_throttler(clock: ManualClock) -> None:
    gate, seen = Throttler(TABLE, clock=clock), list[str]()

    @gate.on
    def tell(event: ThrottlerEvent) -> None:
        seen.append(str(event))
        if event.kind == "foreign":
            gate.pause("/a", 60, reason="others are here")
            assert not gate.charge("/a")
            assert gate.charge("/b")
            assert gate.off(tell)

    gate.observe("/a", used=1)
    assert seen == ['"/a": others have used 1 unit more']
    assert gate.usage("/a").pause_reason == "others are here"


@pytest.mark.parametrize("wrong", [None, 3, "tell"])
def test_what_cannot_be_called_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="callback must be a function of one argument"):
        Throttler(TABLE).on(wrong)


def test_a_coroutine_function_is_refused_as_nobody_would_await_it() -> None:
    async def tell(event: ThrottlerEvent) -> None:
        """Never runs."""

    with pytest.raises(TypeError, match="nobody would await it"):
        Throttler(TABLE).on(tell)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_a_wait_that_no_request_can_have_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="waited_longer_than must be a number of seconds"):
        Throttler(TABLE).on(print, waited_longer_than=wrong)


def test_an_exception_is_reported_and_harms_nobody(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda it: reported.append((it.exc_value, it.object))
    )
    gate, events = Throttler(TABLE, clock=clock), list[ThrottlerEvent]()
    error = ZeroDivisionError("as the test wants it")

    def fail(event: ThrottlerEvent) -> None:
        raise error

    gate.on(fail)
    gate.on(events.append)
    assert gate.pause("/a", 5)
    assert reported == [(error, fail)]
    assert len(events) == 1


def test_an_event_while_an_exception_passes_by_changes_nothing_for_that(clock: ManualClock) -> None:
    """The end of a block lets the next request go, and tells, while the block's error is raised."""
    gate, events = Throttler(TABLE, clock=clock), list[ThrottlerEvent]()
    gate.on(events.append)
    gate.pause("/a", 5)

    def fail() -> None:
        with gate.execute_task("/b"):
            gate.observe("/b", used=9)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert [x.kind for x in events] == ["paused", "foreign"]


def test_requests_in_a_loop_that_wait_for_long_are_told_in_the_loop(run: Runner) -> None:
    async def main() -> None:
        gate = Throttler([RateLimit("/a", 1, 0.3)], hold="start")
        told: list[tuple[str, bool]] = []

        def tell(event: ThrottlerEvent) -> None:
            told.append((event.kind, threading.current_thread() is threading.main_thread()))
            assert asyncio.get_running_loop() is loop
            assert event.seconds >= 0.05
            assert event.units == 1

        async def request() -> None:
            async with gate.execute_task("/a"):
                pass

        loop = asyncio.get_running_loop()
        gate.on(tell, waited_longer_than=0.05)
        await asyncio.gather(request(), request())
        assert told == [("waited", True)]

    run(main())


def test_the_end_of_a_pause_is_told_before_those_who_waited_go_on(
    run: Runner, clock: ManualClock
) -> None:
    async def main() -> None:
        gate, order = Throttler(TABLE, clock=clock), list[str]()
        gate.on(lambda event: order.append(event.kind))

        async def request() -> None:
            async with gate.execute_task("/a"):
                order.append("passed")

        gate.pause("/a", 5)
        task = asyncio.create_task(request())
        await settle()
        clock.advance(5)
        await task
        assert order == ["paused", "resumed", "passed"]

    run(main())


def test_a_thread_that_waits_tells_both(clock: ManualClock) -> None:
    gate, told = Throttler(TABLE), list[tuple[str, str]]()
    gate.on(
        lambda x: told.append((x.kind, threading.current_thread().name)), waited_longer_than=0.01
    )
    gate.pause("/a", 0.1)

    def request() -> None:
        with gate.execute_task("/a"):
            pass

    thread = threading.Thread(target=request, name="waits")
    thread.start()
    thread.join()
    assert told == [("paused", "MainThread"), ("waited", "waits"), ("resumed", "waits")]


def test_threads_that_make_things_happen_at_once_lose_no_event_and_keep_the_order() -> None:
    gate, seen = Throttler(TABLE), list[float]()
    running = threading.Lock()

    def tell(event: ThrottlerEvent) -> None:
        assert running.acquire(blocking=False), "two callbacks at once"
        seen.append(event.seconds)
        time.sleep(0)
        running.release()

    gate.on(tell)
    done = []

    def work(first: int) -> None:
        done.extend(n for n in range(first, 800, 4) if gate.pause("/a", 1_000 + n))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(x - 1_000) for x in seen) == sorted(done)
    ends = [round(x) for x in seen]
    assert ends == sorted(ends), "a pause is told if it ends later than those before it"


def test_a_throttler_that_its_callbacks_know_is_collected() -> None:
    class Bot:
        def __init__(self) -> None:
            self.gate = Throttler(TABLE)
            self.gate.on(self.hear)

        def hear(self, event: ThrottlerEvent) -> None:
            """Hears."""

    bot = Bot()
    gone = weakref.ref(bot.gate)
    del bot
    gc.collect()
    assert gone() is None


def test_each_event_is_a_line_of_the_log_and_a_flood_is_none(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sluicegate")
    gate = Throttler(TABLE, clock=clock)
    gate.pause("/a", 5, reason="100 % used")
    for used in range(1, 6):
        gate.observe("/b", used=used)
    clock.advance(11)
    gate.observe("/b", used=7)
    assert [(x.name, x.levelname, x.getMessage()) for x in caplog.records] == [
        ("sluicegate", "WARNING", '"/a" is paused for 5 s: 100 % used'),
        ("sluicegate", "INFO", '"/b": others have used 1 unit more'),
        ("sluicegate", "INFO", '"/a" is paused no longer'),
        (
            "sluicegate",
            "INFO",
            '"/b": others have used 2 units more (4 more of this kind since the last line)',
        ),
    ]


def test_a_ban_of_an_account_with_many_limits_is_no_flood_of_lines(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Throttler([RateLimit(f"/{number}", 10, 60) for number in range(500)], clock=clock)
    told: list[ThrottlerEvent] = []
    gate.on(told.append)
    gate.pause_scope("account", 30, reason="HTTP 403")
    assert (len(told), len(caplog.records)) == (500, 20)
    clock.advance(10)
    gate.pause("/499", 60, reason="HTTP 403")
    assert "(480 more of this kind since the last line)" in caplog.records[-1].getMessage()


def test_long_waits_are_in_the_log_of_those_who_asked(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, run: Runner
) -> None:
    async def main() -> None:
        gate = Throttler(TABLE, clock=clock)
        gate.on(lambda _: None, waited_longer_than=2)
        gate.pause("/a", 9)
        task = asyncio.create_task(gate.execute_task("/a").__aenter__())
        await settle()
        clock.advance(9)
        await task

    run(main())
    text = '"/a": a request has waited for 2 s'
    assert [x.getMessage() for x in caplog.records][1:] == [text]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_hears_its_own_events_also_if_its_parent_was_in_a_callback() -> None:
    done = run_python(
        """
import os, threading
from sluicegate import RateLimit, Throttler
gate = Throttler([RateLimit("/x", 10, 3600)])
inside, leave, seen = threading.Event(), threading.Event(), []
def tell(event):
    seen.append(event.reason)
    if event.reason == "parent":
        inside.set()
        leave.wait()
gate.on(tell)
thread = threading.Thread(target=gate.pause, args=("/x", 5, "parent"))
thread.start()
inside.wait()
pid = os.fork()
gate.pause("/x", 50, "child" if pid == 0 else "later")
if pid == 0:
    assert seen == ["parent", "child"], seen
    os._exit(0)
leave.set()
thread.join()
assert seen == ["parent", "later"], seen
assert os.waitpid(pid, 0)[1] == 0
"""
    )
    assert done.returncode == 0, done.stderr


def test_the_programs_end_waits_for_a_daemon_thread_in_a_callback() -> None:
    done = run_python(
        """
import threading, time
from sluicegate import RateLimit, Throttler
gate = Throttler([RateLimit("/x", 10, 3600)])
inside = threading.Event()
def tell(event):
    inside.set()
    time.sleep(0.3)
    print("told", flush=True)
gate.on(tell)
threading.Thread(target=gate.pause, args=("/x", 5), daemon=True).start()
inside.wait()
"""
    )
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
