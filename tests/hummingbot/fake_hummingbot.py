"""A package with Hummingbot's names and no more, to put the drop-in into."""

from __future__ import annotations

import sys
from pathlib import Path

DATA_TYPES = """\
from dataclasses import dataclass

@dataclass
class LinkedLimitWeightPair:
    limit_id: str
    weight: int = 1

class RateLimit:
    def __init__(self, limit_id, limit, time_interval, weight=1, linked_limits=None):
        self.limit_id = limit_id
        self.limit = limit
        self.time_interval = time_interval
        self.weight = weight
        self.linked_limits = linked_limits or []

@dataclass
class TaskLog:
    timestamp: float
    rate_limit: RateLimit
    weight: int
"""
CONTEXT_BASE = """\
from abc import ABC

class AsyncRequestContextBase(ABC):
    pass
"""
THROTTLER_BASE = """\
from abc import ABC

class AsyncThrottlerBase(ABC):
    def __init__(self, rate_limits):
        self._rate_limits = rate_limits
"""
THROTTLER = """\
from hummingbot.core.api_throttler.async_request_context_base import AsyncRequestContextBase
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase

class AsyncRequestContext(AsyncRequestContextBase):
    pass

class AsyncThrottler(AsyncThrottlerBase):
    pass
"""
CONNECTOR = """\
from hummingbot.core.api_throttler.async_throttler import AsyncThrottler
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase as Base
from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit

RATE_LIMITS = [
    RateLimit("POOL", 10, 60),
    RateLimit("/a", 10, 60, linked_limits=[LinkedLimitWeightPair("POOL", 2)]),
]

def create_throttler():
    return AsyncThrottler(RATE_LIMITS)

def uses(throttler, base=Base):
    return isinstance(throttler, base)
"""

REST_ASSISTANT = """\
from types import SimpleNamespace

class RESTAssistant:
    def __init__(self, session, throttler):
        self._connection = SimpleNamespace(_client_session=session)
        self._throttler = throttler

    async def execute_request(self, url, throttler_limit_id, method="GET"):
        request = SimpleNamespace(method=method, url=url, throttler_limit_id=throttler_limit_id)
        async with self._throttler.execute_task(limit_id=throttler_limit_id):
            return await self.call(request)

    async def call(self, request, timeout=None):
        async with self._connection._client_session.request(request.method, request.url) as answer:
            return await answer.text()
"""


def write(folder: Path, version: str = "20260922") -> Path:
    """Writes the package below ``folder``, with a connector imported early and one late."""
    core = folder / "hummingbot" / "core" / "api_throttler"
    core.mkdir(parents=True)
    for package in (core, core.parent, core.parent.parent):
        (package / "__init__.py").touch()
    (core / "data_types.py").write_text(DATA_TYPES)
    (core / "async_request_context_base.py").write_text(CONTEXT_BASE)
    (core / "async_throttler_base.py").write_text(THROTTLER_BASE)
    (core / "async_throttler.py").write_text(THROTTLER)
    web = core.parent / "web_assistant"
    web.mkdir()
    (web / "__init__.py").touch()
    (web / "rest_assistant.py").write_text(REST_ASSISTANT)
    (folder / "hummingbot" / "VERSION").write_text(f"{version}\n")
    for name in ("early", "late"):
        (folder / "hummingbot" / f"{name}.py").write_text(CONNECTOR)
    return folder


def forget() -> None:
    """Lets Python import the package anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "hummingbot"]:
        del sys.modules[name]
