"""Waiting in threads: order, Ctrl-C, time-outs, and the interpreter released meanwhile."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock


def spin_until(condition: Callable[[], bool]) -> None:
    """Waits for another thread to come so far; the test's time-out is the only one there is."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


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
        spin_until(lambda: throttler.usage("/x").waiting == len(threads))
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
    """The oldest waiting thread watches the clock for all; when it gives up, another must."""
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
    spin_until(lambda: throttler.usage("/x").waiting == 1)
    second = threading.Thread(target=wait)
    second.start()
    first.join()
    second.join()
    assert entered.is_set()


def test_ctrl_c_ends_a_wait_at_once_and_leaves_the_queue() -> None:
    throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert throttler.try_acquire("/x")

    def interrupt() -> None:
        spin_until(lambda: throttler.usage("/x").waiting == 1)
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
    spin_until(lambda: throttler.usage("/x").waiting == 1)  # this thread runs on meanwhile
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
