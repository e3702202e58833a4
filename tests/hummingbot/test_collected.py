"""A Hummingbot throttler that waits in an abandoned event loop is collected with that loop."""

import asyncio
import gc
import warnings
import weakref

from sluicegate import RateLimit
from sluicegate.hummingbot import AsyncThrottler


class Throttler(AsyncThrottler):
    """As connectors have them: it keeps what it was made for."""

    task: asyncio.Task[None]


async def enter_twice(throttler: Throttler) -> None:
    for _ in range(2):
        async with throttler.execute_task("/x"):
            pass


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_throttler_whose_task_waits_in_a_dropped_loop_is_collected() -> None:
    """The throttler holds the task, the task its wait, and the wait the throttler: the garbage
    collector must see every part of that circle."""
    throttler = Throttler([RateLimit("/x", 1, 3600, linked_limits=[])])
    loop = asyncio.new_event_loop()
    throttler.task = loop.create_task(enter_twice(throttler))
    throttler.task._log_destroy_pending = False  # type: ignore[attr-defined] # it is, on purpose
    loop.run_until_complete(settle())
    assert not throttler.task.done()
    gone = weakref.ref(throttler), weakref.ref(loop)
    del throttler, loop
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the loop is not closed, on purpose
        gc.collect()
    assert [reference() for reference in gone] == [None, None]
