"""requests: an adapter that lets a request leave when the exchange's limits allow it.

>>> import requests
>>> from sluicegate.clients.requests import Adapter
>>> session = requests.Session()
>>> session.mount("https://api.binance.com", Adapter("binance-spot"))
>>> session.close()
"""

from __future__ import annotations

import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from sluicegate import Throttler
from sluicegate._priorities import Priorities
from sluicegate.clients.pacing import Pacing, Request
from sluicegate.tables import Table
from sluicegate.tables.values import shown

__all__ = ["Adapter"]


class Adapter(HTTPAdapter):
    """The adapter of a `requests.Session`, for any number of threads.

    Each request waits until its limits have room, and takes from them until the headers of the
    answer are there. The waiting holds no connection, and counts in no timeout of requests. Each
    redirect that requests follows is a request of its own.

    Args:
        table: The exchange's limits: a `sluicegate.tables.Table`, or the name of one, such as
            ``"binance-spot"``.
        throttler: Counts the requests. It is one that `Table.throttler` made. Clients with the same
            throttler share it. By default a new one.
        retries: How often a request that the exchange refused, as with 429, waits and is sent
            again. The default is 0: the program gets the refusal. Only a body of bytes, text, JSON
            or a form can be sent again.
        wait_timeout: The most seconds that a request waits. By default there is no limit.
        priorities: Which of several waiting requests goes first. By default cancels, then orders,
            then account questions, then market data, unless ``SLUICEGATE_PRIORITIES=0`` is in the
            environment. ``{"GET /depth": 3}`` gives requests a priority of their own (a whole
            number, higher first; the usual ones are 0 to 3): by method and path, by path, by the
            end of a path, or by an id of the table. ``False``: all in the order in which they came.
        **http_adapter_arguments: As for `requests.adapters.HTTPAdapter`, such as ``pool_maxsize``.
            ``max_retries`` is for connections that could not be made: what the exchange may have
            counted is not sent again unseen.

    Raises:
        ValueError: There is no table of this name, the throttler has limits of another table, a
            number is negative, or ``max_retries`` would send requests again; or a priority is out
            of range, or names nothing of the table. A request raises
            `sluicegate.RateLimitTimeout` after `wait_timeout`.
        TypeError: An argument has the wrong type.
    """

    def __init__(
        self,
        table: Table | str,
        throttler: Throttler | None = None,
        retries: int = 0,
        *,
        wait_timeout: float | None = None,
        priorities: Priorities = True,
        **http_adapter_arguments: Any,
    ) -> None:
        """Nothing is sent yet."""
        self._pacing = Pacing(table, throttler, retries, wait_timeout, priorities)
        if "max_retries" in http_adapter_arguments:
            max_retries = _connecting_only(http_adapter_arguments["max_retries"])
            http_adapter_arguments["max_retries"] = max_retries
        super().__init__(**http_adapter_arguments)

    @property
    def table(self) -> Table:
        """The exchange's limits."""
        return self._pacing.table

    @property
    def throttler(self) -> Throttler:
        """What counts the requests."""
        return self._pacing.throttler

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        """Waits, sends a request, and listens to its answer."""
        first = self._pacing.first
        if first is None:
            return self._send(request, stream, *args, **kwargs)
        turn = first.turn(self._pacing.patience)
        try:
            return self._send(request, stream, *args, **kwargs)
        finally:
            first.end(turn)

    def _send(
        self, request: requests.PreparedRequest, stream: bool, *args: Any, **kwargs: Any
    ) -> requests.Response:
        pacing = self._pacing
        asked = _asked(pacing, request)
        while True:
            with pacing.task(asked):
                asked.sent = time.monotonic()
                response = super().send(request, stream, *args, **kwargs)
            try:
                body = None
                most = pacing.bytes_to_read(asked, response.status_code, response.headers)
                if most:
                    body = _begin(response, most)
                if not pacing.is_refused(asked, response.status_code, response.headers, body):
                    return response
            except BaseException:
                # Nobody else has it, to close it.
                response.close()
                raise
            response.close()

    def __getstate__(self) -> dict[str, Any]:
        """An adapter has a throttler, which is of this process."""
        raise TypeError("an adapter of sluicegate cannot be pickled or copied: make another one")


def _connecting_only(given: Any) -> urllib3.Retry:
    """What tries to connect again, and sends nothing twice."""
    if isinstance(given, int) and not isinstance(given, bool):
        # requests says of a number that it is for connections only, and urllib3 does more.
        return urllib3.Retry(given, connect=given, read=False, status=0, other=0, redirect=False)
    if not isinstance(given, urllib3.Retry):
        raise TypeError(f"max_retries must be a number or a urllib3.Retry, got {shown(given)}")
    allowed = given.allowed_methods is not None and not given.allowed_methods
    sends = [
        name
        for name in ("read", "status", "other")
        if not (getattr(given, name) is False or getattr(given, name) == 0)
    ]
    if sends and not allowed and given.total not in (0, False):
        raise ValueError(
            f"max_retries would send requests again that nobody counts ({', '.join(sends)}): give "
            "read=False, status=0, other=0 to the urllib3.Retry, and retries=… to the Adapter"
        )
    return given


def _asked(pacing: Pacing, request: requests.PreparedRequest) -> Request:
    body = request.body
    is_whole = body is None or isinstance(body, bytes | str)
    method, url = request.method or "GET", request.url or ""
    return pacing.request(method, url, body if isinstance(body, bytes | str) else None, is_whole)


# ---- The beginning of a body, read and put back


class _Replayed:
    """What urllib3 reads a body from, of which a part was read already."""

    def __init__(
        self, read: bytes, error: Exception | None, rest: urllib3.BaseHTTPResponse
    ) -> None:
        self._read, self._error, self._rest = read, error, rest
        self.closed = False

    def read(self, amount: int | None = None) -> bytes:
        if self._read and amount is not None and amount >= 0:
            found, self._read = self._read[:amount], self._read[amount:]
            return found
        if self._error is not None:
            raise self._error
        found, self._read = self._read, b""
        if amount is not None and amount < 0:
            amount = None
        return found + self._rest.read(amount, decode_content=False)

    def close(self) -> None:
        self.closed = True
        self._rest.close()
        self._rest.release_conn()


def _begin(response: requests.Response, most: int) -> bytes | None:
    """The body, if it is shorter than `most`; None if it is not."""
    raw = response.raw
    parts: list[bytes] = []
    size, error, ended = 0, None, False
    try:
        while size < most:
            part = raw.read(most - size, decode_content=False)
            if not part:
                ended = True
                break
            parts.append(part)
            size += len(part)
    except Exception as raised:
        # The program gets it where it reads the body, as without us.
        error = raised
    read = b"".join(parts)
    response.raw = _put_back(raw, _Replayed(read, error, raw))
    if not ended:
        return None
    if not raw.headers.get("content-encoding"):
        return read
    try:
        return _put_back(raw, _Replayed(read, None, raw)).read(decode_content=True)
    except urllib3.exceptions.HTTPError:
        return None


def _put_back(raw: Any, body: _Replayed) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(
        body,  # type: ignore[arg-type]
        raw.headers,
        raw.status,
        raw.version,
        reason=raw.reason,
        preload_content=False,
        decode_content=raw.decode_content,
        original_response=getattr(raw, "_original_response", None),  # It has the cookies.
        request_method=getattr(raw, "_method", None),
        request_url=raw.geturl(),
    )
