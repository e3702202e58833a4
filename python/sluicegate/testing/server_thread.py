"""`ServerThread`: serves an exchange, for programs that have no event loop."""

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluicegate.testing.exchange import StandInExchange


class ServerThread(threading.Thread):
    """Serves one exchange from an event loop of its own."""

    def __init__(self, exchange: "StandInExchange") -> None:
        """A thread that does not run yet; `started` is done when the exchange listens."""
        super().__init__(name="stand-in-exchange", daemon=True)
        self.started: Future[None] = Future()
        self._exchange = exchange
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    def run(self) -> None:
        """Serve until `finish` is called."""
        asyncio.run(self._serve())

    def finish(self) -> None:
        """Stop the exchange, and wait for the thread to end."""
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
