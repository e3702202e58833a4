"""The stand-in exchange: an HTTP server on loopback that enforces a table of limits."""

import asyncio
import inspect
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import web

from sluicegate.testing.answers import Handler, binance_handlers
from sluicegate.testing.latency import Latency
from sluicegate.testing.ledger import Ledger, Verdict
from sluicegate.testing.stats import Statistics
from sluicegate.testing.table import Endpoint, Table
from sluicegate.testing.tables import binance_spot

if TYPE_CHECKING:
    from typing_extensions import Self

    from sluicegate import RateLimit

STATISTICS_PATH = "/stand-in/stats"
RESET_PATH = "/stand-in/reset"
PATIENCE = 1.0
"""Seconds beyond the longest latency that requests under way get to finish when it is stopped."""


class StandInExchange:
    """An exchange on this machine that enforces its limits for real, to test bots against.

    Every request takes a part of its latency to arrive, counts at that instant against exact
    rolling windows, and is answered after the remainder: 200, or 429 when it is over a limit, or
    418 during a ban (see `BanRule`). 429 and 418 carry `Retry-After` in whole seconds, rounded up,
    and a JSON body as Binance's with the exact time in `retryAfter`. Every answer tells the units
    in the windows that it touched, as `X-MBX-USED-WEIGHT-1M` does. Unknown paths are answered 404
    and cost the table's `default_weights`.

    All clients count as one, as if they shared one address and one account. For several, start
    several.

    Use it as `async with StandInExchange() as exchange:` in a running event loop or, in programs
    without one, as `with StandInExchange() as exchange:`, which serves from a thread of its own.
    Over HTTP, `GET /stand-in/stats` gives the statistics as JSON, and `POST /stand-in/reset`
    forgets everything; neither takes latency or counts.

    Args:
        table: The limits and what endpoints cost; Binance spot's published ones by default.
        latency: (shortest, longest) seconds from a request to its answer; see `Latency`.
        seed: Makes latencies the same each time; None draws others.
        handlers: What endpoints answer, by (method, path). Binance spot's have plausible answers
            already; every other endpoint of the table answers `{}`.
        charge_rejected: Whether a request that is answered 429 counts against its limits, too. On
            by default, as the stricter one: Binance does not document it.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        clock: Nanoseconds that never step back. Tests give a clock of their own.

    Raises:
        ValueError: A latency that cannot be.
    """

    def __init__(
        self,
        table: Table | None = None,
        *,
        latency: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
        handlers: Mapping[tuple[str, str], Handler] | None = None,
        charge_rejected: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """An exchange that does not listen yet."""
        self._table = binance_spot() if table is None else table
        shortest, longest = latency
        self._latency = Latency(shortest, longest, seed)
        self._patience = longest + PATIENCE
        self._handlers: dict[tuple[str, str], Handler] = {
            **binance_handlers(self._table),
            **{
                (method.upper(), path): answer
                for (method, path), answer in (handlers or {}).items()
            },
        }
        self._endpoints = _by_path(self._table)
        self._headers = {limit.name: limit.header_name for limit in self._table.limits}
        self._charge_rejected = charge_rejected
        self._ledger = Ledger(self._table, charge_rejected=charge_rejected)
        # The server may run in a thread while another one asks for statistics.
        self._lock = threading.Lock()
        self._clock = clock
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._url: str | None = None
        self._thread: _ServerThread | None = None

    @property
    def table(self) -> Table:
        """The limits, and what endpoints cost."""
        return self._table

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`, with no slash at the end.

        Raises:
            RuntimeError: It is not running.
        """
        if self._url is None:
            raise RuntimeError("the stand-in exchange is not running: use it with `async with`")
        return self._url

    def rate_limits(self) -> "list[RateLimit]":
        """The same limits for a client's `sluicegate.Throttler` (see `Table.rate_limits`)."""
        return self._table.rate_limits()

    def statistics(self) -> Statistics:
        """What it saw since it was made or reset. May be asked from any thread."""
        with self._lock:
            return self._ledger.statistics(self._clock())

    def reset(self) -> None:
        """Forget all arrivals, bans and statistics. What is under way counts when it arrives."""
        with self._lock:
            self._ledger = Ledger(self._table, charge_rejected=self._charge_rejected)

    def add_endpoint(self, endpoint: Endpoint, handler: Handler | None = None) -> None:
        """Serve one endpoint more, or the same one at another cost; also while it runs.

        Args:
            endpoint: Method, path and cost. It takes the place of one with the same id, and goes
                ahead of others for the same method and path.
            handler: What it answers; by default `{}`, or what its path answered before.

        Raises:
            ValueError: It names a limit that the table does not have, or could never pass.
        """
        self._table = self._table.with_endpoint(endpoint)
        self._endpoints = _by_path(self._table)
        if handler is not None:
            self._handlers[endpoint.method, endpoint.path] = handler

    async def start(self) -> None:
        """Begin to listen, in the running event loop.

        Raises:
            RuntimeError: It is running already.
            OSError: The port is taken, or may not be used.
        """
        if self._runner is not None:
            raise RuntimeError("the stand-in exchange is running already")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._patience)
        self._runner = runner
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port, backlog=4096).start()
        except BaseException:
            await self.stop()
            raise
        port = runner.addresses[0][1]
        self._url = f"http://{self._host}:{port}"

    async def stop(self) -> None:
        """Stop listening, let requests under way finish, and close all connections."""
        runner, self._runner, self._url = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> "Self":
        """Start (see `start`)."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop (see `stop`)."""
        await self.stop()

    def __enter__(self) -> "Self":
        """Start in a thread with an event loop of its own (see `start`)."""
        if self._runner is not None or self._thread is not None:
            raise RuntimeError("the stand-in exchange is running already")
        thread = _ServerThread(self)
        thread.start()
        thread.started.result()
        self._thread = thread
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop (see `stop`), and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.finish()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        key = (request.method, request.path)
        if key == ("GET", STATISTICS_PATH):
            return web.json_response(self.statistics().to_json())
        if key == ("POST", RESET_PATH):
            self.reset()
            return web.json_response({})

        endpoint = next((e for e in self._endpoints.get(key, ()) if e.applies(request.query)), None)
        weights = self._table.default_weights if endpoint is None else endpoint.weights
        before, after = self._latency.draw()
        if before:
            await asyncio.sleep(before)
        with self._lock:
            now = self._clock()
            verdict = self._ledger.arrive(now, weights)
            used = [(self._headers[name], self._ledger.used(name, now)) for name in weights]
        response = await self._answer(request, endpoint, verdict)
        response.headers.update({header: str(units) for header, units in used if header})
        if after:
            await asyncio.sleep(after)
        return response

    async def _answer(
        self, request: web.Request, endpoint: Endpoint | None, verdict: Verdict
    ) -> web.StreamResponse:
        if verdict.status != 200:
            return _refusal(verdict)
        if endpoint is None:
            message = f"No endpoint {request.method} {request.path} on this exchange."
            return web.json_response({"code": 404, "msg": message}, status=404)
        handler = self._handlers.get((endpoint.method, endpoint.path))
        answer = {} if handler is None else handler(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(text=json.dumps(answer), content_type="application/json")


class _ServerThread(threading.Thread):
    """Serves one exchange from an event loop of its own, for programs that have none."""

    def __init__(self, exchange: StandInExchange) -> None:
        super().__init__(name="stand-in-exchange", daemon=True)
        self.started: Future[None] = Future()
        self._exchange = exchange
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    def finish(self) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._exchange.start()
        except BaseException as error:
            self.started.set_exception(error)
            return
        self.started.set_result(None)
        await self._over.wait()
        await self._exchange.stop()


def _by_path(table: Table) -> dict[tuple[str, str], tuple[Endpoint, ...]]:
    found: dict[tuple[str, str], tuple[Endpoint, ...]] = {}
    for endpoint in table.endpoints:
        key = (endpoint.method, endpoint.path)
        found[key] = (*found.get(key, ()), endpoint)
    return found


def _refusal(verdict: Verdict) -> web.Response:
    seconds = verdict.wait / 1e9
    if verdict.status == 418:
        until = time.time_ns() // 1_000_000 + math.ceil(verdict.wait / 1e6)
        code, message = -1003, f"Way too many requests; IP banned until {until}."
    else:
        limit = verdict.over[0]
        orders = limit.name.startswith("ORDERS")
        code = -1015 if orders else -1003
        message = (
            f"Too many {'new orders' if orders else 'requests'}; current limit of {limit.name} is "
            f"{limit.limit} per {limit.interval:g} seconds."
        )
    return web.json_response(
        {"code": code, "msg": message, "retryAfter": seconds},
        status=verdict.status,
        headers={"Retry-After": str(max(1, math.ceil(seconds)))},
    )
