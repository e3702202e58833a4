"""httpx: transports that let a request leave when the exchange's limits allow it.

>>> import httpx
>>> from sluicegate.clients.httpx import Transport
>>> client = httpx.Client(transport=Transport("binance-spot"))
>>> client.close()
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType

import httpx

from sluicegate import Throttler
from sluicegate._priorities import Priorities
from sluicegate.clients.pacing import Pacing, Request
from sluicegate.tables import Table
from sluicegate.tables.answer import RawHeaders

__all__ = ["AsyncTransport", "Transport"]


class AsyncTransport(httpx.AsyncBaseTransport):
    """The transport of an `httpx.AsyncClient`, for asyncio.

    Each request waits until its limits have room, and takes from them until the headers of the
    answer are there. The waiting holds no connection, and counts in no timeout of httpx. Each
    redirect that httpx follows is a request of its own.

    Args:
        table: The exchange's limits: a `sluicegate.tables.Table`, or the name of one, such as
            ``"binance-spot"``.
        throttler: Counts the requests. It is one that `Table.throttler` made. Clients with the same
            throttler share it. By default a new one.
        transport: What sends the requests. By default an `httpx.AsyncHTTPTransport`.
        retries: How often a request that the exchange refused, as with 429, waits and is sent
            again. The default is 0: the program gets the refusal. Only a body of bytes, text, JSON
            or a form can be sent again.
        wait_timeout: The most seconds that a request waits. By default there is no limit.
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

    def __init__(
        self,
        table: Table | str,
        throttler: Throttler | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        retries: int = 0,
        *,
        wait_timeout: float | None = None,
        priorities: Priorities = True,
    ) -> None:
        """Nothing is sent yet."""
        self._pacing = Pacing(table, throttler, retries, wait_timeout, priorities)
        self._transport = httpx.AsyncHTTPTransport() if transport is None else transport

    @property
    def table(self) -> Table:
        """The exchange's limits."""
        return self._pacing.table

    @property
    def throttler(self) -> Throttler:
        """What counts the requests."""
        return self._pacing.throttler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Waits, sends a request, and listens to its answer."""
        first = self._pacing.first
        if first is None:
            return await self._send(request)
        turn = await first.turn_async(self._pacing.patience)
        try:
            return await self._send(request)
        finally:
            first.end(turn)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        pacing = self._pacing
        asked = _asked(pacing, request)
        while True:
            async with pacing.task(asked):
                asked.sent = time.monotonic()
                response = await self._transport.handle_async_request(request)
            try:
                body, headers = None, RawHeaders(response.headers.raw)
                most = pacing.bytes_to_read(asked, response.status_code, headers)
                if most:
                    body = await _begin_async(response, most, headers)
                if not pacing.is_refused(asked, response.status_code, headers, body):
                    return response
            except BaseException:
                # Nobody else has it, to close it.
                await response.aclose()
                raise
            await response.aclose()

    async def __aenter__(self) -> AsyncTransport:
        """Opens the transport beneath."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Closes the transport beneath."""
        await self._transport.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Closes the transport beneath. The throttler goes on."""
        await self._transport.aclose()


class Transport(httpx.BaseTransport):
    """The transport of an `httpx.Client`, for threads.

    It is to threads what `AsyncTransport` is to asyncio.

    Args:
        table: As for `AsyncTransport`.
        throttler: As for `AsyncTransport`. An asynchronous client may have the same one.
        transport: What sends the requests. By default an `httpx.HTTPTransport`.
        retries: As for `AsyncTransport`.
        wait_timeout: As for `AsyncTransport`.
        priorities: As for `AsyncTransport`.

    Raises:
        ValueError: As for `AsyncTransport`.
        TypeError: As for `AsyncTransport`.
    """

    def __init__(
        self,
        table: Table | str,
        throttler: Throttler | None = None,
        transport: httpx.BaseTransport | None = None,
        retries: int = 0,
        *,
        wait_timeout: float | None = None,
        priorities: Priorities = True,
    ) -> None:
        """Nothing is sent yet."""
        self._pacing = Pacing(table, throttler, retries, wait_timeout, priorities)
        self._transport = httpx.HTTPTransport() if transport is None else transport

    @property
    def table(self) -> Table:
        """The exchange's limits."""
        return self._pacing.table

    @property
    def throttler(self) -> Throttler:
        """What counts the requests."""
        return self._pacing.throttler

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Waits, sends a request, and listens to its answer."""
        first = self._pacing.first
        if first is None:
            return self._send(request)
        turn = first.turn(self._pacing.patience)
        try:
            return self._send(request)
        finally:
            first.end(turn)

    def _send(self, request: httpx.Request) -> httpx.Response:
        pacing = self._pacing
        asked = _asked(pacing, request)
        while True:
            with pacing.task(asked):
                asked.sent = time.monotonic()
                response = self._transport.handle_request(request)
            try:
                body, headers = None, RawHeaders(response.headers.raw)
                most = pacing.bytes_to_read(asked, response.status_code, headers)
                if most:
                    body = _begin(response, most, headers)
                if not pacing.is_refused(asked, response.status_code, headers, body):
                    return response
            except BaseException:
                response.close()
                raise
            response.close()

    def __enter__(self) -> Transport:
        """Opens the transport beneath."""
        self._transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Closes the transport beneath."""
        self._transport.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Closes the transport beneath. The throttler goes on."""
        self._transport.close()


def _asked(pacing: Pacing, request: httpx.Request) -> Request:
    # A request that a redirect made has the stream of the first one, and was not read itself.
    body = request.read() if isinstance(request.stream, httpx.ByteStream) else None
    url = request.url
    # To write a whole URL takes longer than to find its route.
    target = str(url) if pacing.table.needs_host else url.raw_path.decode("ascii")
    return pacing.request(request.method, target, body, body is not None)


# ---- The beginning of a body, read and put back


class _AsyncReplayed(httpx.AsyncByteStream):
    """A body of which a part was read already."""

    def __init__(
        self,
        read: list[bytes],
        error: Exception | None,
        rest: AsyncIterator[bytes],
        stream: httpx.AsyncByteStream,
    ) -> None:
        self._read, self._error, self._rest, self._stream = read, error, rest, stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._read:
            yield part
        if self._error is not None:
            raise self._error
        async for part in self._rest:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Replayed(httpx.SyncByteStream):
    """The same for threads."""

    def __init__(
        self,
        read: list[bytes],
        error: Exception | None,
        rest: Iterator[bytes],
        stream: httpx.SyncByteStream,
    ) -> None:
        self._read, self._error, self._rest, self._stream = read, error, rest, stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._read
        if self._error is not None:
            raise self._error
        yield from self._rest

    def close(self) -> None:
        self._stream.close()


async def _begin_async(response: httpx.Response, most: int, headers: RawHeaders) -> bytes | None:
    """The body without its `Content-Encoding`, if it is shorter than `most`; None if it is not."""
    if hasattr(response, "_content"):
        return response.content
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    parts = stream.__aiter__()
    read: list[bytes] = []
    size, error = 0, None
    try:
        async for part in parts:
            read.append(part)
            size += len(part)
            if size >= most:
                break
    except Exception as raised:
        # The program gets it where it reads the body, as without us.
        error = raised
    if error is not None or size >= most:
        response.stream = _AsyncReplayed(read, error, parts, stream)
        return None
    # To close it gives its connection back.
    await stream.aclose()
    whole = read[0] if len(read) == 1 else b"".join(read)
    response.stream = httpx.ByteStream(whole)
    return _decoded(whole, headers.get("content-encoding"))


def _begin(response: httpx.Response, most: int, headers: RawHeaders) -> bytes | None:
    """The same for threads."""
    if hasattr(response, "_content"):
        return response.content
    stream = response.stream
    assert isinstance(stream, httpx.SyncByteStream)
    parts = iter(stream)
    read: list[bytes] = []
    size, error = 0, None
    try:
        for part in parts:
            read.append(part)
            size += len(part)
            if size >= most:
                break
    except Exception as raised:
        error = raised
    if error is not None or size >= most:
        response.stream = _Replayed(read, error, parts, stream)
        return None
    stream.close()
    whole = read[0] if len(read) == 1 else b"".join(read)
    response.stream = httpx.ByteStream(whole)
    return _decoded(whole, headers.get("content-encoding"))


def _decoded(raw: bytes, encoding: str | None) -> bytes | None:
    """A whole body as it was before its `Content-Encoding`; None if that cannot be read."""
    if not encoding:
        return raw
    try:
        return httpx.Response(200, headers={"content-encoding": encoding}, content=raw).content
    except httpx.DecodingError:
        return None
