"""`StandInExchange`: an HTTP server on loopback that enforces a table of limits."""

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.request import merged
from sluicegate.tables.table import Table
from sluicegate.tables.values import is_whole, shown
from sluicegate.testing.answers import Handler
from sluicegate.testing.calls import Call, CallLog
from sluicegate.testing.control import Control
from sluicegate.testing.error_answers import failure, refusal
from sluicegate.testing.habits import Habits
from sluicegate.testing.ledger import Ledger, Verdict
from sluicegate.testing.market import Market
from sluicegate.testing.refusal import RefusedError
from sluicegate.testing.refusing import overload, rejection
from sluicegate.testing.server_thread import ServerThread
from sluicegate.testing.stats import Statistics
from sluicegate.testing.steering import Steered
from sluicegate.testing.told import Told
from sluicegate.testing.usage_headers import usage_headers

if TYPE_CHECKING:
    from typing_extensions import Self

    from sluicegate import RateLimit

PATIENCE = 1.0
"""Seconds beyond the longest latency that requests under way get to finish when it is stopped."""

SERVER_LOG = logging.getLogger("sluicegate.testing.server")
"""Where tracebacks of handlers go. A request that is no HTTP is its sender's fault: it has none."""
SERVER_LOG.addFilter(
    lambda record: (
        not record.exc_info
        or not isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError)
    )
)


class StandInExchange(Steered):
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
    forgets everything; these and the other paths under `/stand-in/` (see `Control`) neither take
    latency nor count.

    Args:
        table: The limits and what endpoints cost; Binance spot's published ones by default.
        market: The symbols and their prices; by default five, and an answer for any other.
        latency: (shortest, longest) seconds from a request to its answer; see `Latency`.
        seed: Makes latencies the same each time; None draws others.
        handlers: What endpoints answer, by (method, path). Binance spot's have plausible answers
            already; every other endpoint of the table answers `{}`.
        charge_rejected: Whether a request that is answered 429 counts against its limits, too. On
            by default, as the stricter one: Binance does not document it.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        clock: Nanoseconds that never step back. Tests give a clock of their own.
        skew: Seconds that the exchange's clock is ahead of the machine's (see `skew`).
        habits: How its answers tell what it counted, and how long to wait.

    Raises:
        ValueError: The latency, the seed, the port or the skew is not as above.
    """

    def __init__(
        self,
        table: Table | None = None,
        *,
        market: Market | None = None,
        latency: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
        handlers: Mapping[tuple[str, str], Handler] | None = None,
        charge_rejected: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
        skew: float = 0.0,
        habits: Habits | None = None,
    ) -> None:
        """An exchange that does not listen yet."""
        super().__init__(
            table,
            market=market,
            latency=latency,
            seed=seed,
            handlers=handlers,
            charge_rejected=charge_rejected,
            clock=clock,
            skew=skew,
            habits=habits,
        )
        self._log = CallLog()
        self._control = Control(self)
        if not is_whole(port) or not 0 <= port <= 65_535:
            raise ValueError(
                f"port must be from 0 to 65535 (0 takes a free one), got {shown(port)}"
            )
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._url: str | None = None
        self._thread: ServerThread | None = None

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
            seen = self._ledger.statistics(self._clock.now())
            return replace(seen, failed=self._log.failed, calls=self._log.counts)

    def calls(self, path: str | None = None) -> list[Call]:
        """The latest 10,000 requests, in the order of their answers. May be asked from any thread.

        Args:
            path: Only requests for this path; all by default.
        """
        with self._lock:
            return self._log.calls(path)

    def clear_calls(self) -> None:
        """Empty the list that `calls` gives. The counts in the statistics stay."""
        with self._lock:
            self._log.clear()

    def reset(self) -> None:
        """Forget all arrivals, bans, statistics and calls.

        What is under way counts when it arrives. What it was told to do stays: the market as it is,
        latency, failing, others, limits, habits, its clock.
        """
        with self._lock:
            self._ledger = self._new_ledger()
            self._log = CallLog()

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
        patience = self._latency.range[1] + PATIENCE
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=patience, logger=SERVER_LOG)
        self._runner = runner
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port, backlog=4096).start()
        except BaseException:
            await self.stop()
            raise
        port = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{port}"

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
        thread = ServerThread(self)
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
        control = await self._control.answer(request)
        if control is not None:
            return control

        body = await _body(request) if request.can_read_body else b""
        query = request.query
        route = self._table.route(
            request.method, request.path, merged(query, body) if body else query
        )
        with self._lock:
            ledger = self._ledger
            now = self._clock.now()
            charges = ledger.charges(now, route.takes)
            ledger.send(now, charges)
        before, after = self._latency.draw()
        if before:
            await asyncio.sleep(before)
        with self._lock:
            now = self._clock.now()
            if ledger is not self._ledger:
                # It was reset meanwhile: what is under way counts when it arrives.
                ledger = self._ledger
                charges = ledger.charges(now, route.takes)
            verdict = ledger.decide(now, charges)
            headers = usage_headers(charges, now, self._habits, self._clock)
            failing, log = self._failing, self._log
            if failing is not None and (verdict.status != 200 or not failing.picks(request.path)):
                failing = None
        said = Told()
        try:
            status: int | None = 500
            response: web.StreamResponse
            try:
                if failing is not None:
                    status = failing.status
                    response = failure(status)
                    if failing.overload:
                        headers = {}
                        response = overload(self._table, self._habits)
                        status = response.status
                elif verdict.status != 200:
                    response, said = rejection(self._table, self._habits, verdict, now, self._clock)
                    status = response.status
                else:
                    response = await self._answer(request, route.endpoint)
                    status = response.status
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                with self._lock:
                    log.record(
                        *(now, request.method, request.path, query, status),
                        failed=failing is not None,
                    )
            # One that carries its own, such as a reset that is an instant, keeps it.
            for name, value in headers.items():
                response.headers.setdefault(name, value)
            response.headers["Date"] = self._clock.date()
            if after:
                await asyncio.sleep(after)
        finally:
            self._leave(ledger, verdict, said)
        if status is None and request.transport is not None:
            # What is answered to a closed connection goes nowhere.
            request.transport.close()
        return response

    def _leave(self, ledger: Ledger, verdict: Verdict, said: Told) -> None:
        """The answer leaves: its client knows from now on what it says."""
        with self._lock:
            now = self._clock.now()
            ledger.leave(now, verdict)
            end = said.end(now)
            if end is not None:
                ledger.tell(now, verdict, end)

    async def _answer(self, request: web.Request, endpoint: Endpoint | None) -> web.StreamResponse:
        """What a request is answered that is within its limits."""
        if endpoint is None:
            message = f"No endpoint {request.method} {request.path} on this exchange."
            return web.json_response({"code": 404, "msg": message}, status=404)
        handler = self._handlers.get((endpoint.method, endpoint.path))
        try:
            answer = {} if handler is None else handler(request)
            if inspect.isawaitable(answer):
                answer = await answer
        except RefusedError as error:
            return refusal(error)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(text=json.dumps(answer), content_type="application/json")


async def _body(request: web.Request) -> bytes:
    """What a request takes its parameters from; of one that cannot be read, nothing."""
    try:
        return await request.read()
    except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError):
        return b""
