"""A program that starts, and does not know what was used before."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest

from sluicegate import RateLimitTimeout
from sluicegate.clients.first_answer import FirstAnswer, first_answer
from sluicegate.tables import Limit, Table, load
from sluicegate.testing import StandInExchange
from tests.helpers.threads import auntil, until

PATH = "/api/v3/ping"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer may take long: on a busy machine it takes longer than a `wait_timeout`."""
    turn, turn_async = FirstAnswer.turn, FirstAnswer.turn_async
    monkeypatch.setattr(FirstAnswer, "turn", lambda self, _: turn(self, 60))
    monkeypatch.setattr(FirstAnswer, "turn_async", lambda self, _: turn_async(self, 60))


@pytest.mark.usefixtures("patient")
async def test_who_starts_at_the_limit_is_refused_once(kind: Any) -> None:
    table = Table((Limit("ALL", 3, 600.0, "X-Used"),), (), default_weights={"ALL": 1})
    with StandInExchange(table, latency=(0.01, 0.05), seed=1) as exchange:
        async with kind(exchange.url, None) as before:
            for _ in range(3):
                assert (await before("GET", PATH)).status == 404
        async with kind(exchange.url, table, wait_timeout=0.3) as ask:
            asked = (ask("GET", PATH) for _ in range(25))
            found = await asyncio.gather(*asked, return_exceptions=True)
        seen = exchange.statistics()
    assert (seen.rejected, seen.banned) == (1, 0)
    assert sum(isinstance(one, RateLimitTimeout) for one in found) == 24, "they waited"


async def test_if_the_first_has_no_answer_the_next_one_goes_alone(kind: Any) -> None:
    table = load("binance-spot")
    throttler = table.throttler()
    with StandInExchange(latency=(0.01, 0.02), seed=1) as exchange:
        async with kind("http://127.0.0.1:9", table, throttler=throttler) as ask:
            with pytest.raises(Exception, match=r".*"):
                await ask("GET", PATH)
        first = first_answer(throttler)
        assert first is not None
        async with kind(exchange.url, table, throttler=throttler) as ask:
            found = await asyncio.gather(*(ask("GET", PATH) for _ in range(5)))
        assert [one.status for one in found] == [200] * 5
    assert first_answer(throttler) is None


async def test_those_that_wait_go_in_the_end_and_a_cancelled_one_harms_nobody() -> None:
    first = FirstAnswer()
    assert first.turn(1.0)
    assert not await first.turn_async(0.0)
    assert not first.turn(0.0)
    late = len(first._waiting)
    given_up = asyncio.ensure_future(first.turn_async(60.0))
    waits = asyncio.ensure_future(first.turn_async(60.0))
    in_thread = asyncio.ensure_future(asyncio.to_thread(first.turn, 60.0))
    await auntil(lambda: len(first._waiting) == late + 3)
    given_up.cancel()
    await asyncio.wait([given_up])
    first.end(turn=True)
    done, _ = await asyncio.wait([waits, in_thread], return_when=asyncio.FIRST_COMPLETED)
    assert [one.result() for one in done] == [True], "one of them goes alone"
    first.answered()
    assert {await waits, await in_thread} == {True, False}
    assert not first.turn(60.0)


def test_who_has_given_up_is_told_nothing() -> None:
    first = FirstAnswer()
    assert first.turn(0.0)

    async def gives_up() -> None:
        assert not await first.turn_async(0.001)

    asyncio.run(gives_up())
    assert not first.turn(0.001)
    assert not first.turn(0.0)
    assert first._waiting
    assert all(future.cancelled() for future in first._waiting)
    first.answered()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_waits_for_nothing_that_another_thread_of_its_parent_began() -> None:
    first = FirstAnswer()
    held, done = threading.Event(), threading.Event()

    def begin() -> None:
        assert first.turn(0.0)
        with first._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=begin)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        # Its parent's first request is no thread of the child's: this one is the first here.
        is_first = first.turn(60.0)
        first.answered()
        os._exit(0 if is_first and not first.turn(60.0) else 1)
    status = _status_of(child)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert not first.turn(0.0), "in the parent it is asked still"


def _status_of(child: int) -> int:
    """How a child ended. It is killed if it hangs."""
    found: list[int] = []

    def is_over() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        found.extend([status] if pid else [])
        return bool(pid)

    try:
        until(is_over)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return found[0]
