"""Waiting in threads: order, Ctrl-C, time-outs, and the interpreter released meanwhile."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.platforms import needs_unix
from tests.helpers.threads import until


@pytest.fixture(autouse=True)
def no_deadlock() -> Iterator[None]:
    """A deadlock ends the test run with every thread's stack, instead of hanging it."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def test_with_enters_and_leaves(throttler: Throttler) -> None:
    with throttler.execute_task("/x", units=2):
        assert throttler.usage("/x").in_flight == 2
    usage = throttler.usage("/x")
    assert (usage.used, usage.in_flight) == (2, 0)


def test_threads_pass_in_the_order_in_which_they_came(
    clock: ManualClock, throttler: Throttler
) -> None:
    assert throttler.try_acquire("/x", 2)
    log: list[int] = []

    def wait(number: int) -> None:
        with throttler.execute_task("/x", units=2):
            log.append(number)

    threads = []
    for number in range(5):
        thread = threading.Thread(target=wait, args=(number,))
        thread.start()
        threads.append(thread)
        until(lambda: throttler.usage("/x").waiting == len(threads))
    for number in range(5):
        clock.advance(10)
        threads[number].join()
        assert log == list(range(number + 1))


def test_threads_wake_by_themselves_on_the_machines_clock() -> None:
    throttler = Throttler([RateLimit("/x", 1, 0.02)])
    log: list[int] = []

    def work(number: int) -> None:
        for _ in range(3):
            with throttler.execute_task("/x"):
                log.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(log) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_timeout_ends_the_wait_and_leaves_the_queue(timeout: float) -> None:
    throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert throttler.try_acquire("/x")
    with pytest.raises(RateLimitTimeout), throttler.execute_task("/x", timeout=timeout):
        pytest.fail("it entered")
    usage = throttler.usage("/x")
    assert (usage.used, usage.waiting) == (1, 0)


def test_a_thread_that_times_out_hands_the_watch_on() -> None:
    """The oldest waiting thread watches the clock for others; when it gives up, another must."""
    throttler = Throttler([RateLimit("/x", 1, 0.1)])
    assert throttler.try_acquire("/x")
    entered = threading.Event()

    def give_up() -> None:
        with pytest.raises(RateLimitTimeout), throttler.execute_task("/x", timeout=0.02):
            pytest.fail("it entered")

    def wait() -> None:
        with throttler.execute_task("/x"):
            entered.set()

    first = threading.Thread(target=give_up)
    first.start()
    until(lambda: throttler.usage("/x").waiting == 1)
    second = threading.Thread(target=wait)
    second.start()
    first.join()
    second.join()
    assert entered.is_set()


@needs_unix
def test_ctrl_c_ends_a_wait_at_once_and_leaves_the_queue() -> None:
    throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert throttler.try_acquire("/x")

    def interrupt() -> None:
        until(lambda: throttler.usage("/x").waiting == 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt), throttler.execute_task("/x"):
        pytest.fail("it entered")
    assert throttler.usage("/x").waiting == 0


def test_the_interpreter_is_released_while_a_thread_waits(
    clock: ManualClock, throttler: Throttler
) -> None:
    assert throttler.try_acquire("/x", 2)
    entered = threading.Event()

    def wait() -> None:
        with throttler.execute_task("/x"):
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: throttler.usage("/x").waiting == 1)  # this thread runs on meanwhile
    clock.advance(10)
    thread.join()
    assert entered.is_set()


def test_counts_are_exact_under_many_threads() -> None:
    throttler = Throttler([RateLimit("/x", 10**9, 3600)])

    def work() -> None:
        for _ in range(2000):
            with throttler.execute_task("/x", units=3):
                pass
            assert throttler.try_acquire("/x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    usage = throttler.usage("/x")
    assert (usage.used, usage.in_flight, usage.waiting) == (8 * 2000 * 4, 0, 0)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Signals, forks and the program's end: each in a process of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-X",
            "faulthandler",
            "-c",
            PRELUDE + code,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PRELUDE = """
import asyncio, atexit, faulthandler, os, signal, sys, threading, time
faulthandler.dump_traceback_later(40, exit=True)

def until(condition):
    while not condition():
        time.sleep(0.001)

def in_thread(target, **options):
    thread = threading.Thread(target=target, **options)
    thread.start()
    return thread
"""

THROTTLER = """
from sluicegate import RateLimit, RateLimitTimeout, Throttler
throttler = Throttler([RateLimit("/never", 1, 3600), RateLimit("/x", 1, 0.05)], hold="start")
throttler.try_acquire("/never"); throttler.try_acquire("/x")

class Stop(Exception): pass

def wait_in_main_thread(handler, when=lambda: throttler.usage("/never").waiting):
    \"\"\"Waits for ever, until the handler of a signal that comes meanwhile raises.\"\"\"
    def handle(*_):
        handler()
        raise Stop
    signal.signal(signal.SIGTERM, handle)
    in_thread(lambda: (until(when), os.kill(os.getpid(), signal.SIGTERM)))
    try:
        with throttler.execute_task("/never"): pass
    except Stop: print("stopped")
"""


def outcome(code: str, prelude: str = THROTTLER) -> list[str]:
    """What a program prints, one line after the other, if it ends well and complains of nothing."""
    done = run_python(prelude + code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


@needs_unix
def test_others_pass_while_the_main_thread_runs_a_signal_handler() -> None:
    assert outcome(
        """
def work():
    with throttler.execute_task("/x"): pass
workers = []
def handler():
    for worker in workers: worker.join()
    print("joined")
def start():
    until(lambda: throttler.usage("/never").waiting)
    workers.extend(in_thread(work) for _ in range(3))
in_thread(start)
wait_in_main_thread(handler, lambda: len(workers) == 3)
"""
    ) == ["joined", "stopped"]


@needs_unix
def test_others_time_out_while_the_main_thread_runs_a_signal_handler() -> None:
    assert outcome(
        """
def work():
    try:
        with throttler.execute_task("/never", timeout=0.01): pass
    except RateLimitTimeout: print("timed out")
wait_in_main_thread(lambda: in_thread(work).join())
"""
    ) == ["timed out", "stopped"]


@needs_unix
def test_a_signal_handler_may_wait_where_its_own_thread_waits() -> None:
    assert outcome(
        """
def handler():
    for _ in range(2):
        with throttler.execute_task("/x"): print("passed")
wait_in_main_thread(handler)
"""
    ) == ["passed", "passed", "stopped"]


@needs_unix
def test_a_wait_in_a_signal_handler_goes_before_the_wait_that_it_has_interrupted() -> None:
    """The one within cannot be reached before the handler has ended: it is not in the queue."""
    assert outcome(
        """
from sluicegate import LinkedLimitWeightPair
from sluicegate.testing import ManualClock
from tests.helpers.threads import until
clock = ManualClock()
pool = [LinkedLimitWeightPair("POOL", 1)]
throttler = Throttler([RateLimit("POOL", 1, 10),
                       RateLimit("/x", 9, 10, linked_limits=pool),
                       RateLimit("/y", 9, 10, linked_limits=pool)], hold="start", clock=clock)
throttler.try_acquire("POOL")
def waits(limit_id): return lambda: throttler.usage(limit_id).waiting
def handle(*_):
    helper = in_thread(lambda: (until(waits("/y")), clock.advance(10)))
    with throttler.execute_task("/y"): print("handler passed at", clock.now)
    helper.join()
    in_thread(lambda: (until(waits("/x")), clock.advance(10)))
signal.signal(signal.SIGTERM, handle)
in_thread(lambda: (until(waits("/x")), os.kill(os.getpid(), signal.SIGTERM)))
with throttler.execute_task("/x"): print("passed at", clock.now)
"""
    ) == ["handler passed at 10.0", "passed at 20.0"]


@needs_unix
def test_a_signal_handler_that_waits_may_be_interrupted_by_another() -> None:
    assert outcome(
        """
def inner(*_):
    with throttler.execute_task("/x"): print("inner passed")
signal.signal(signal.SIGUSR1, inner)
def handler():
    in_thread(lambda: (until(lambda: throttler.usage("/x").waiting),
                       os.kill(os.getpid(), signal.SIGUSR1)))
    with throttler.execute_task("/x"): print("outer passed")
throttler.set_rate_limits([RateLimit("/never", 1, 3600), RateLimit("/x", 1, 0.5)])
wait_in_main_thread(handler)
"""
    ) == ["inner passed", "outer passed", "stopped"]


@needs_unix
def test_what_the_main_thread_does_not_come_for_while_it_is_in_a_handler_goes_back() -> None:
    assert outcome(
        """
from sluicegate.testing import ManualClock
from tests.helpers.threads import until
clock = ManualClock()
throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)
throttler.try_acquire("/x")
def handle(*_):
    clock.advance(10)
    print(throttler.usage("/x").in_flight)
    clock.advance(1)
    print(throttler.try_acquire("/x"))
    clock.advance(9)
    in_thread(lambda: (until(waits), clock.advance(1)))
waits = lambda: throttler.usage("/x").waiting
signal.signal(signal.SIGTERM, handle)
in_thread(lambda: (until(waits), os.kill(os.getpid(), signal.SIGTERM)))
with throttler.execute_task("/x"): print("passed")
"""
    ) == ["1", "True", "passed"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_is_forked_in_a_signal_handler_waits_on() -> None:
    lines = outcome(
        """
me = os.getpid()
def handle(*_):
    if os.fork(): os.wait()
signal.signal(signal.SIGTERM, handle)
in_thread(lambda: (until(lambda: throttler.usage("/x").waiting), os.kill(me, signal.SIGTERM)))
throttler.set_rate_limits([RateLimit("/x", 1, 0.3)])
with throttler.execute_task("/x"):
    print("parent" if os.getpid() == me else "child", "passed", flush=True)
if os.getpid() != me:
    print(throttler.usage("/x").waiting, flush=True)
    os._exit(0)
"""
    )
    assert lines == ["child passed", "0", "parent passed"]


#: Callbacks that are registered before sluicegate is imported run after its own.
CLEANUP = """
@atexit.register
def cleanup():
    for step in steps: step()
steps = []
"""


def test_threads_that_wait_at_the_programs_end_hold_up_no_callback() -> None:
    assert outcome(
        """
def work():
    with throttler.execute_task(limit_id): print("never")
for limit_id in ["/x"] * 3 + ["/never"]:
    in_thread(work, daemon=True)
    until(lambda: throttler.usage(limit_id).waiting)
throttler.set_rate_limits([RateLimit("/never", 1, 3600), RateLimit("/x", 1, 0.3)])
throttler.try_acquire("/x")
def pass_twice():
    print(throttler.usage("/x").waiting, throttler.usage("/never").waiting)
    for _ in range(2):
        with throttler.execute_task("/x"): print("passed")
steps.append(pass_twice)
""",
        CLEANUP + THROTTLER.replace("0.05", "3600"),
    ) == ["0 0", "passed", "passed"]


def test_threads_that_wait_at_the_programs_end_can_be_joined_by_a_callback() -> None:
    assert outcome(
        """
def work():
    try:
        while True:
            with throttler.execute_task("/never"): pass
    finally: print("ended")
thread = in_thread(work, daemon=True)
until(lambda: throttler.usage("/never").waiting)
steps.append(thread.join)
""",
        CLEANUP + THROTTLER,
    ) == ["ended"]


def test_threads_that_wait_let_the_block_in_flight_end() -> None:
    """However often the gate has them look: a park of no length once kept the interpreter, and the
    block that they waited for never ended."""
    assert outcome(
        """
from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
pools = {"a": ["ORDERS"], "x": ["ORDERS", "WEIGHT"], "y": ["WEIGHT", "RAW"], "z": ["RAW"]}
table = [RateLimit(pool, 1, 0.1) for pool in ("ORDERS", "WEIGHT", "RAW")]
for limit_id, linked in pools.items():
    links = [LinkedLimitWeightPair(pool, 1) for pool in linked]
    table.append(RateLimit(limit_id, 9, 0.1, linked_limits=links))
throttler = Throttler(table)
def work(limit_id):
    with throttler.execute_task(limit_id): pass
with throttler.execute_task("a"):
    threads = []
    for limit_id in "xyz":
        threads.append(in_thread(lambda: work(limit_id)))
        until(lambda: throttler.usage(limit_id).waiting)
    for _ in range(100): time.sleep(0.001)
for thread in threads: thread.join()
print("ended")
""",
        "",
    ) == ["ended"]
