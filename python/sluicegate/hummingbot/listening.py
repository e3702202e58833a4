"""What exchanges answer to Hummingbot's requests, heard for all throttlers of a process.

`RESTAssistant.call` knows the throttler, the id, the status and the headers. It runs within the
throttler's block, so that the request's own units are in flight while its answer is heard.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from sluicegate import Throttler
from sluicegate.hummingbot.address import Address
from sluicegate.hummingbot.answers import AnswerScope
from sluicegate.hummingbot.exchanges import exchange_of, table_by_name
from sluicegate.tables import Table
from sluicegate.tables.generic import generic

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler

log = logging.getLogger("sluicegate.hummingbot")

VARIABLE = "SLUICEGATE_LISTEN"
"""The variable that turns it off, with ``0``, ``off``, ``no`` or ``false``."""

Send = Callable[[], Awaitable[Any]]

_addresses: dict[str, Address] = {}
_lock = threading.Lock()
_unknown: dict[str, Table] = {}
_failed: set[str] = set()
#: The exchanges whose first answer this task waits for: what it asks meanwhile goes on.
_first: ContextVar[frozenset[str]] = ContextVar("sluicegate_hummingbot_first", default=frozenset())


def is_wanted() -> bool:
    """Whether the environment leaves it on."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("0", "off", "no", "false")


def address_of(exchange: str) -> Address:
    """What is known of all who ask an exchange (see `exchange_of`)."""
    with _lock:
        return _addresses.setdefault(exchange, Address())


def join(throttler: AsyncThrottler, connector: str) -> None:
    """A connector has a new throttler: what is closed for its exchange is closed for it."""
    table = table_by_name(connector)
    if table is not None:
        address_of(table.name).join(throttler)


def forget() -> None:
    """Forgets what is closed, for tests."""
    with _lock:
        _addresses.clear()


async def call(ours: AsyncThrottler | None, request: Any, send: Send) -> Any:
    """Sends a request, and hears its answer.

    Nothing that goes wrong here fails the request.

    Args:
        ours: The assistant's throttler; None if it is Hummingbot's own.
        request: The assistant's.
        send: Sends it.
    """
    try:
        url = str(getattr(request, "url", None) or "")
        exchange, table = exchange_of(url, "" if ours is None else ours.connector)
    except Exception:
        _fail("a request", "")
        return await send()
    address = address_of(exchange)
    if exchange in _first.get():
        return await _send(exchange, table, address, ours, request, send)
    late = ours is not None and address.join(ours)
    turn, waited = await address.turn()
    token = None if turn is None else _first.set(_first.get() | {exchange})
    try:
        if ours is not None and (late or waited):
            limit_id = getattr(request, "throttler_limit_id", None)
            if limit_id is not None and _is_closed(ours, limit_id):
                # It had passed before the answer came that closes the limit.
                async with ours.execute_task(limit_id):
                    return await _send(exchange, table, address, ours, request, send)
        return await _send(exchange, table, address, ours, request, send)
    finally:
        address.end_turn(turn)
        if token is not None:
            _first.reset(token)


async def _send(
    exchange: str,
    table: Table | None,
    address: Address,
    ours: AsyncThrottler | None,
    request: Any,
    send: Send,
) -> Any:
    sent = time.monotonic()
    response = await send()
    try:
        await _hear(exchange, table, address, ours, request, response, time.monotonic() - sent)
    except Exception:
        _fail("the answer", exchange)
    address.answered()
    return response


async def _hear(
    exchange: str,
    table: Table | None,
    address: Address,
    ours: AsyncThrottler | None,
    request: Any,
    response: Any,
    elapsed: float,
) -> None:
    if table is None:
        table = _unknown.get(exchange) or _unknown.setdefault(exchange, generic(exchange))
    status = int(response.status)
    method = str(getattr(request.method, "value", request.method)).upper()
    query = getattr(request, "params", None) or getattr(request, "data", None)
    url = str(request.url or response.url)
    limit_id = None if ours is None else getattr(request, "throttler_limit_id", None)
    route = table.route(method, url, query)
    path = "" if route.endpoint is None else route.endpoint.path
    # Some tell their clock in a body, far finer than the header Date.
    is_time = any(clock.path == path for clock in table.clock if clock.path)
    body = await _body(response) if is_time or table.needs_body(status) else None
    if ours is not None and limit_id is not None and route.endpoint is not None and route.own:
        ours._learn(limit_id, route.endpoint.id, route.takes[route.own][0])
    scope = cast("Throttler", AnswerScope(table, route, address, ours, limit_id))
    table.listen(
        scope,
        method,
        url,
        status,
        response.headers,
        body,
        query=query,
        limit_id=limit_id,
        elapsed=elapsed,
    )


async def _body(response: Any) -> Any:
    """The body, which aiohttp keeps for the connector; None if it cannot be read."""
    inner = getattr(response, "_aiohttp_response", None)
    read = getattr(inner, "read", None)
    body = await read() if read is not None else await response.text()
    return body if isinstance(body, (bytes, str)) else None


def _is_closed(throttler: AsyncThrottler, limit_id: Any) -> bool:
    """Whether a request that has passed would not pass any more."""
    try:
        limit, related = throttler.get_related_limits(limit_id)
        ids = [each.limit_id for each in [limit, *(x for x, _ in related)] if each is not None]
        windows = [throttler._published.window_of(each) for each in ids]
        seen = [throttler.usage(each) for each in dict.fromkeys([*ids, *windows])]
        # Of a shared limit, more than this bot holds may be used: what others took counts only.
        return any(x.paused > 0 or (x.foreign > 0 and x.used > x.limit) for x in seen)
    except Exception:
        _fail("a limit", str(limit_id))
        return False


def _fail(what: str, which: str) -> None:
    """Says once what was not understood."""
    if which not in _failed:
        _failed.add(which)
        log.warning(
            "%s (%s) could not be listened to; the request is not concerned. This is said once.",
            what,
            which or "unknown",
            exc_info=True,
        )
