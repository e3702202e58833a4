"""aiohttp: a middleware that lets a request leave when the exchange's limits allow it.

It needs aiohttp 3.12 or later.

>>> from sluicegate.clients.aiohttp import middleware
>>> paced = middleware("binance-spot")
>>> # async with aiohttp.ClientSession(middlewares=[paced]) as session: ...
"""

from __future__ import annotations

import asyncio
import sys
import time
import warnings

import aiohttp
from aiohttp import payload

from sluicegate import RateLimitTimeout, Throttler
from sluicegate._priorities import Priorities
from sluicegate.clients.pacing import Pacing, Request
from sluicegate.tables import Table

try:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
    from aiohttp.base_protocol import BaseProtocol
except ImportError:
    raise ImportError(
        "sluicegate.clients.aiohttp needs aiohttp 3.12 or later, where sessions have middlewares; "
        f"this is {aiohttp.__version__}. Install a newer one: pip install 'aiohttp>=3.12'. With "
        "an older one, send each request within a block: async with throttler.execute_task("
        "table.prepare(throttler, method, url, body)), and give its answer to table.listen. "
        "A TraceConfig does not help: it cannot make a request wait.",
        name="aiohttp",
    ) from None

__all__ = ["Middleware", "middleware"]


class Middleware:
    """The middleware of an `aiohttp.ClientSession`. `middleware` makes it."""

    def __init__(self, pacing: Pacing) -> None:
        """Nothing is sent yet."""
        self._pacing = pacing

    @property
    def table(self) -> Table:
        """The exchange's limits."""
        return self._pacing.table

    @property
    def throttler(self) -> Throttler:
        """What counts the requests."""
        return self._pacing.throttler

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Waits, sends a request, and listens to its answer."""
        first = self._pacing.first
        if first is None:
            return await self._send(request, handler)
        turn = await first.turn_async(self._pacing.patience)
        try:
            return await self._send(request, handler)
        finally:
            first.end(turn)

    async def _send(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        pacing = self._pacing
        asked = await _asked(pacing, request)
        while True:
            try:
                async with pacing.task(asked):
                    asked.sent = time.monotonic()
                    response = await handler(request)
            except RateLimitTimeout as error:
                raise _as_aiohttp_passes_it(error) from None
            try:
                body = None
                most = pacing.bytes_to_read(asked, response.status, response.headers)
                if most and response.status != 101:
                    body = await _begin(response, most)
                if not pacing.is_refused(asked, response.status, response.headers, body):
                    return response
            except BaseException:
                # Nobody else has it, to close it.
                response.close()
                raise
            # What is read to its end gives its connection back; what is not must not be.
            response.close()


def middleware(
    table: Table | str,
    throttler: Throttler | None = None,
    retries: int = 0,
    *,
    wait_timeout: float | None = None,
    priorities: Priorities = True,
) -> Middleware:
    """A middleware for `aiohttp.ClientSession(middlewares=[…])`.

    Each request waits until its limits have room, and takes from them until the headers of the
    answer are there. The waiting holds no connection. It counts in aiohttp's ``total`` timeout,
    which is 5 minutes by default. Each redirect that aiohttp follows is a request of its own, and
    so is what aiohttp sends again by itself after a kept-alive connection was lost. A WebSocket's
    handshake is the table's ``WS /connect``.

    Args:
        table: The exchange's limits: a `sluicegate.tables.Table`, or the name of one, such as
            ``"binance-spot"``.
        throttler: Counts the requests. It is one that `Table.throttler` made. Clients with the same
            throttler share it. By default a new one.
        retries: How often a request that the exchange refused, as with 429, waits and is sent
            again. The default is 0: the program gets the refusal. Only a body of bytes, text, JSON
            or a form can be sent again.
        wait_timeout: The most seconds that a request waits. By default there is no limit but
            aiohttp's own.
        priorities: Which of several waiting requests goes first. By default cancels, then orders,
            then account questions, then market data, unless ``SLUICEGATE_PRIORITIES=0`` is in the
            environment. ``{"GET /depth": 3}`` gives requests a priority of their own (a whole
            number, higher first; the usual ones are 0 to 3): by method and path, by path, by the
            end of a path, or by an id of the table. ``False``: all in the order in which they came.

    Raises:
        ValueError: There is no table of this name, the throttler has limits of another table, or a
            number is negative; or a priority is out of range, or names nothing of the table. A
            request raises `sluicegate.RateLimitTimeout` after `wait_timeout`.
        TypeError: An argument has the wrong type.
    """
    return Middleware(Pacing(table, throttler, retries, wait_timeout, priorities))


async def _asked(pacing: Pacing, request: ClientRequest) -> Request:
    sent, url = request.body, request.url
    if url.scheme in ("ws", "wss"):
        return pacing.request("WS", f"{url.origin()}/connect", None)
    body = await sent.as_bytes() if isinstance(sent, payload.BytesPayload) else None
    return pacing.request(request.method, str(url), body, body is not None or not sent)


if sys.version_info >= (3, 11):

    def _as_aiohttp_passes_it(error: RateLimitTimeout) -> RateLimitTimeout:
        """A timeout that aiohttp takes for one, and not for an error of a connection."""
        error.errno = None
        return error

else:

    class _Timeout(RateLimitTimeout, asyncio.TimeoutError):
        __doc__ = RateLimitTimeout.__doc__

    def _as_aiohttp_passes_it(error: RateLimitTimeout) -> RateLimitTimeout:
        """A timeout that aiohttp takes for one, and not for an error of a connection."""
        told = _Timeout(
            str(error), error.limit_id, error.timeout, error.full_limit, error.retry_after
        )
        told.errno = None
        return told


# ---- The beginning of a body, read and put back


async def _begin(response: ClientResponse, most: int) -> bytes | None:
    """The body, if it is shorter than `most`; None if it is not."""
    reader = response.content
    read = bytearray()
    error: Exception | None = None
    try:
        while len(read) < most:
            part = await reader.read(most - len(read))
            if not part:
                break
            read += part
    except (aiohttp.ClientError, asyncio.TimeoutError) as raised:
        # The program gets it where it reads the body, as without us.
        error = raised
    data = bytes(read)
    if len(data) >= most and not reader.at_eof():
        # There is more. aiohttp has no other way to put back what was read.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            reader.unread_data(data)
        return None
    loop = asyncio.get_running_loop()
    # With room for all of it, or it would ask the connection, which there is none of, to pause.
    again = aiohttp.StreamReader(BaseProtocol(loop), len(data) + 1, loop=loop)
    again.feed_data(data)
    if error is None:
        again.feed_eof()
    else:
        again.set_exception(error)
    response.content = again
    return data if error is None else None
