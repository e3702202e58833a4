"""Event loops of each kind; `settle` lets every task of one run as far as it can."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

Runner = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine in a new event loop: the fixture `run`."""

NEW_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
"""What makes an event loop, by its library."""

RUNNERS: dict[str, Runner] = {"asyncio": asyncio.run}
"""What runs a coroutine in a new one."""

if sys.platform != "win32":  # uvloop knows no Windows.
    import uvloop

    NEW_LOOPS["uvloop"] = uvloop.new_event_loop
    RUNNERS["uvloop"] = uvloop.run


async def settle() -> None:
    """Lets every task run as far as it can: as many turns of the loop as a wake-up ever takes."""
    for _ in range(5):
        await asyncio.sleep(0)
