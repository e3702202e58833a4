"""`Pace`: the pause between two requests for prices."""

from __future__ import annotations

import asyncio
import math
from typing import Any


class Pace:
    """ccxt's own pace: after each question, a pause of as long as it costs.

    ccxt's asynchronous objects keep it too, but do not count the time in which nothing is asked:
    the first question of the day would wait for what yesterday's last one has cost.
    """

    def __init__(self, api: Any) -> None:
        """The pace of a ccxt object."""
        self._api = api
        self._free_at = -math.inf

    async def __call__(self, cost: float | None = None) -> None:
        """Waits for its turn."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._free_at)
        # ccxt's rateLimit is in milliseconds.
        self._free_at = turn + self._api.rateLimit * (1 if cost is None else cost) / 1_000
        if turn > now:
            await asyncio.sleep(turn - now)
