"""Requests that aiohttp would send again unseen: here they are sent, and counted, again.

When a kept-alive connection turns out to be closed, aiohttp sends an idempotent request (a GET, a
DELETE, …) once more by itself. The exchange may count both, and no throttler sees the second. So
while the drop-in is installed, Hummingbot's sessions do not do that: its `RESTAssistant` does it
here instead, and the second request takes its units as the first one did.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from sluicegate.hummingbot.throttler import AsyncThrottler

#: Of aiohttp's sessions, from 3.11 on; older ones have no such switch.
_FLAG = "_retry_connection"
#: The methods that aiohttp sends again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

_Call = Callable[..., Awaitable[Any]]

_original: tuple[Any, _Call] | None = None
"""Hummingbot's `RESTAssistant` and its own ``call``, while ours is in its place."""

_switched_off: WeakSet[Any] = WeakSet()
"""The sessions in which resending was switched off."""


def install() -> None:
    """Has Hummingbot's requests sent again here. Does nothing where there is no such plumbing."""
    global _original
    if _original is not None:
        return
    try:
        module = importlib.import_module("hummingbot.core.web_assistant.rest_assistant")
        assistant = module.RESTAssistant
        original: _Call = assistant.call
    except (ImportError, AttributeError):
        return

    async def call(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        throttler = getattr(self, "_throttler", None)
        if not isinstance(throttler, AsyncThrottler) or not _switch_off(self):
            return await original(self, request, *args, **kwargs)
        try:
            return await original(self, request, *args, **kwargs)
        except Exception as error:
            limit_id = getattr(request, "throttler_limit_id", None)
            if limit_id is None or not _was_dropped(request, error):
                raise
        async with throttler.execute_task(limit_id):
            return await original(self, request, *args, **kwargs)

    call.__doc__ = original.__doc__
    assistant.call = call
    _original = (assistant, original)


def uninstall() -> None:
    """Has aiohttp send them again by itself, as it always did."""
    global _original
    if _original is None:
        return
    assistant, original = _original
    # Other code may have wrapped ours since: the wrapper stays, and ours passes all calls on.
    if getattr(assistant.call, "__module__", None) == __name__:
        assistant.call = original
    _original = None
    for session in list(_switched_off):
        setattr(session, _FLAG, True)
    _switched_off.clear()


def _switch_off(assistant: Any) -> bool:
    """Whether this assistant's session leaves it to us."""
    session = getattr(getattr(assistant, "_connection", None), "_client_session", None)
    if _original is None or not isinstance(getattr(session, _FLAG, None), bool):
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
