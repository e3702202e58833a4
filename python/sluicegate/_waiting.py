"""What `async with` awaits if a request need not wait: an awaitable that has ended already."""

from __future__ import annotations

import sys
import types
from collections.abc import Generator
from typing import Any

from sluicegate._core import Ready


@types.coroutine
def _nothing() -> Generator[None]:
    return
    yield


READY: Any = Ready() if sys.version_info >= (3, 12) else _nothing()
"""It can be awaited any number of times, in any thread and event loop.

`wait_for`, `gather` and `create_task` take it. Up to Python 3.11 it is a generator, all of it the
interpreter's own code, end to end: 18 ns, where an awaitable of ours took 33, and a finished future
27. From 3.12 on asyncio makes no task of a generator; there, an awaitable of ours takes 40 ns and
the generator 46.
"""
for _ in READY:
    raise AssertionError("it yields nothing")
