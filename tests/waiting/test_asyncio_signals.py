"""What runs anywhere in a loop's thread, such as signal handlers, may use the throttler."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from sluicegate import RateLimit, Throttler
from tests.helpers.loops import Runner, settle
from tests.helpers.platforms import needs_unix
from tests.helpers.threads import PATIENCE


def table(limit: int, interval: float) -> list[RateLimit]:
    return [RateLimit("/x", limit, interval)]


@contextlib.contextmanager
def signal_soon(handler: Callable[[], object]) -> Iterator[None]:
    """A signal comes when the loop has nothing to do and sleeps."""
    former = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@needs_unix
@pytest.mark.parametrize(
    ("limit", "interval"), [(2, 600), (1, 0.06)], ids=["lets it through", "sets its timer"]
)
def test_a_signal_handler_wakes_a_loop_that_sleeps(
    run: Runner, limit: int, interval: float
) -> None:
    throttler = Throttler(table(1, 600))
    assert throttler.charge("/x")

    async def request() -> None:
        async with throttler.execute_task("/x"):
            pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(request())
        too_late = threading.Event()
        end = threading.Timer(PATIENCE, loop.call_soon_threadsafe, [too_late.set])
        end.start()
        with signal_soon(lambda: throttler.set_rate_limits(table(limit, interval))):
            await waiting
        end.cancel()
        assert not too_late.is_set(), "only something else has woken it"

    run(main())


def test_asyncios_heap_of_timers_stays_whole_whatever_runs_while_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler runs while asyncio compares two timers, as Python code of its own does that."""
    throttler = Throttler(table(1, 600))
    assert throttler.charge("/x")
    compare = asyncio.TimerHandle.__lt__
    handlers: list[Callable[[], None]] = []

    def interrupted(timer: asyncio.TimerHandle, other: asyncio.TimerHandle) -> bool:
        while handlers:
            handlers.pop()()
        return compare(timer, other)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            entering = asyncio.create_task(
                stack.enter_async_context(throttler.execute_task("/x"))  # type: ignore[arg-type]
            )
            await settle()
            monkeypatch.setattr(asyncio.TimerHandle, "__lt__", interrupted)
            for interval in range(500, 400, -1):
                handlers.append(lambda: throttler.set_rate_limits(table(1, interval)))  # noqa: B023
                loop.call_later(1_000 - interval, print)
                await settle()
            heap = list(loop._scheduled)  # type: ignore[attr-defined]
            assert not handlers
            heapq.heapify(copy := list(heap))
            assert copy == heap, "it is a heap as it stands"
            entering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await entering

    asyncio.run(main())
