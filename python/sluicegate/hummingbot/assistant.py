"""Hummingbot's `RESTAssistant.call`, through which every request of a connector goes."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

from sluicegate._core import HummingbotThrottler
from sluicegate.hummingbot import listening, resending
from sluicegate.hummingbot.throttler import AsyncThrottler

_Call = Callable[..., Awaitable[Any]]

_original: tuple[Any, _Call] | None = None
"""Hummingbot's `RESTAssistant` and its own ``call``, while ours is in its place."""


def install() -> None:
    """Hears answers, and sends again here. Does nothing where there is no such plumbing."""
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
        async def send() -> Any:
            return await original(self, request, *args, **kwargs)

        # Once it is uninstalled, other code may still call this.
        if _original is None:
            return await send()
        throttler = getattr(self, "_throttler", None)

        async def attempt() -> Any:
            if not listening.is_wanted():
                return await send()
            # Hummingbot's own class counts as ours, and has nothing to be told.
            own = throttler if isinstance(throttler, HummingbotThrottler) else None
            return await listening.call(cast("AsyncThrottler | None", own), request, send)

        if not isinstance(throttler, AsyncThrottler):
            return await attempt()
        return await resending.call(self, throttler, request, attempt)

    call.__doc__ = original.__doc__
    assistant.call = call
    _original = (assistant, original)


def uninstall() -> None:
    """Has Hummingbot's own in place again, and aiohttp send again by itself, as it always did."""
    global _original
    if _original is None:
        return
    assistant, original = _original
    # Other code may have wrapped ours since: the wrapper stays, and ours passes all calls on.
    if getattr(assistant.call, "__module__", None) == __name__:
        assistant.call = original
    _original = None
    resending.end()
