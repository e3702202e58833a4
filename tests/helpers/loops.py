"""`settle`: lets every task of an event loop run as far as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Runner = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine in a new event loop: the fixture `run`."""


async def settle() -> None:
    """Lets every task run as far as it can: as many turns of the loop as a wake-up ever takes."""
    for _ in range(5):
        await asyncio.sleep(0)
