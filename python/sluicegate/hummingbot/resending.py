"""Requests that aiohttp would send again unseen: here they are sent, and counted, again.

When a kept-alive connection turns out to be closed, aiohttp sends an idempotent request (a GET, a
DELETE, …) once more by itself. The exchange may count both, and no throttler sees the second. So
while the drop-in is installed, Hummingbot's sessions do not do that: its `RESTAssistant` does it
here instead, and the second request takes its units as the first one did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from sluicegate.hummingbot.throttler import AsyncThrottler

#: Of aiohttp's sessions, from 3.11 on; older ones have no such switch.
_FLAG = "_retry_connection"
#: The methods that aiohttp sends again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

_Send = Callable[[], Awaitable[Any]]

_switched_off: WeakSet[Any] = WeakSet()
"""The sessions in which resending was switched off."""


async def call(assistant: Any, throttler: AsyncThrottler, request: Any, send: _Send) -> Any:
    """Sends a request, and once more if its connection was closed.

    Args:
        assistant: Hummingbot's `RESTAssistant`.
        throttler: Its throttler.
        request: What it sends.
        send: Sends it.
    """
    if not _switch_off(assistant):
        return await send()
    try:
        return await send()
    except Exception as error:
        limit_id = getattr(request, "throttler_limit_id", None)
        if limit_id is None or not _was_dropped(request, error):
            raise
    async with throttler.execute_task(limit_id):
        return await send()


def end() -> None:
    """Has aiohttp send them again by itself, as it always did."""
    for session in list(_switched_off):
        setattr(session, _FLAG, True)
    _switched_off.clear()


def _switch_off(assistant: Any) -> bool:
    """Whether this assistant's session leaves it to us."""
    session = getattr(getattr(assistant, "_connection", None), "_client_session", None)
    if not isinstance(getattr(session, _FLAG, None), bool):
        return False
    if session not in _switched_off:
        if not getattr(session, _FLAG):
            return False  # Its owner does not want requests to be sent again.
        setattr(session, _FLAG, False)
        _switched_off.add(session)
    return True


def _was_dropped(request: Any, error: Exception) -> bool:
    import aiohttp

    method = str(getattr(request.method, "value", request.method)).upper()
    # What never found a connection was not sent: aiohttp does not try that again either.
    return (
        method in _IDEMPOTENT
        and isinstance(error, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError))
        and not isinstance(error, aiohttp.ClientConnectorError)
    )
