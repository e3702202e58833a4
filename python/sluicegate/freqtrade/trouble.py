"""`Trouble`: the exchange's failures within one load: retries, pauses, and when to give up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import ccxt
from freqtrade.exchange.common import API_RETRY_COUNT, calculate_backoff

REFUSED = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
"""The exchange wants to be asked less."""

#: After so many pairs in a row have failed, one load asks no further.
_MOST_FAILURES = 10


class Trouble:
    """How the exchange behaves during one load, so that an outage is not met by a storm.

    Args:
        patience: How often in a row the exchange may refuse before the load gives up.
    """

    def __init__(self, patience: int = 0) -> None:
        """No trouble so far."""
        self.error: ccxt.OperationFailed | None = None
        self._patience = patience
        self._refusals = 0
        self._failed: set[str] = set()
        self._in_line = asyncio.Lock()

    @asynccontextmanager
    async def question(self, pair: str) -> AsyncIterator[None]:
        """The block asks for a pair. Once the exchange has refused, one question goes at a time.

        Raises:
            OperationFailed: The load has given up.
        """
        async with AsyncExitStack() as stack:
            if self._refusals:
                await stack.enter_async_context(self._in_line)
            if self.error is not None:
                raise self.error
            try:
                yield
            except REFUSED as error:
                await self._refused(error)
                raise
            except ccxt.OperationFailed as error:
                # A pair that goes on failing is no outage; many in a row are.
                self._failed.add(pair)
                if len(self._failed) >= _MOST_FAILURES:
                    self.error = error
                raise
            self._failed.clear()
            self._refusals = min(self._refusals, 1)

    async def _refused(self, error: ccxt.OperationFailed) -> None:
        if not self._in_line.locked():
            # All that were under way together are refused together.
            self._refusals = max(self._refusals, 1)
            if self._patience == 0:
                self.error = error
        elif self._refusals > self._patience:
            self.error = error
        else:
            pause = calculate_backoff(API_RETRY_COUNT + 1 - self._refusals, API_RETRY_COUNT)
            self._refusals += 1
            await asyncio.sleep(pause)
