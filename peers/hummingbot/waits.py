"""A real `BinanceExchange` of Hummingbot whose market data wants more weight than there is.

Orders are made and cancelled beside it. At its end it prints a line of JSON: the seconds that each
request waited for its limits, by what it was for, and the seconds of the answers.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from peers.hummingbot.trading import PAIRS, connector, main

TRADERS, READERS = 6, 60
WEIGHT, TICKERS = 6_000, 4
"""Units of a minute, and what a reader's request takes."""

_ASKED: ContextVar[Callable[[], None] | None] = ContextVar("asked", default=None)
"""What is told when the request leaves that this task makes."""


class Watch:
    """Notes when requests leave, and when they are answered."""

    def __init__(self) -> None:
        """Watches all requests of this program from now on."""
        from hummingbot.core.web_assistant.rest_assistant import RESTAssistant

        self.waits: dict[str, list[float]] = {"cancel": [], "order": [], "market": []}
        self.answers: list[float] = []
        self.whole: list[float] = []
        """Of cancels, from asking to the answer."""
        own = RESTAssistant.call

        async def call(assistant: Any, *args: Any, **kwargs: Any) -> Any:
            leaves, left = _ASKED.get(), time.monotonic()
            if leaves is not None:
                leaves()
            try:
                return await own(assistant, *args, **kwargs)
            finally:
                self.answers.append(time.monotonic() - left)

        RESTAssistant.call = call

    async def ask(self, what: str, request: Awaitable[Any]) -> None:
        """Makes a request. One that never leaves counts with the time that it has waited."""
        waits, asked = self.waits[what], time.monotonic()
        left: list[float] = []

        def leaves() -> None:
            if not left:
                left.append(time.monotonic() - asked)

        token = _ASKED.set(leaves)
        try:
            await request
        finally:
            _ASKED.reset(token)
            leaves()
            waits += left
            if what == "cancel":
                self.whole.append(time.monotonic() - asked)


async def trade(exchange: Any, watch: Watch, minute: float, seconds: float) -> Counter[str]:
    """Fills the weight evenly, and then wants more of it than there is for so many seconds."""
    from hummingbot.core.data_type.common import OrderType, TradeType

    seen: Counter[str] = Counter()
    chance = random.Random(7)
    begin = time.monotonic()
    # As long as the weight of the first minute is in use, with the connector's own margin.
    full = begin + 1.05 * minute
    until = full

    async def forgiving(what: str, request: Awaitable[Any]) -> None:
        try:
            await watch.ask(what, request)
            seen["done"] += 1
        except OSError as error:
            known = next((x for x in ("429", "418", "404") if f"status is {x}" in str(error)), "?")
            seen[known] += 1

    async def read() -> None:
        await forgiving("market", exchange.get_all_pairs_prices())

    async def reader() -> None:
        while time.monotonic() < until:
            await read()

    async def trader(number: int) -> None:
        pair = PAIRS[number % len(PAIRS)]
        while time.monotonic() < until:
            await asyncio.sleep(chance.uniform(0.1, 0.7))
            order_id = f"x-{number}-{time.monotonic_ns()}"
            amount, price = Decimal("0.01"), Decimal("90.5")
            terms = (order_id, pair, amount, TradeType.BUY, OrderType.LIMIT, price)
            await forgiving("order", exchange._place_order(*terms))
            await asyncio.sleep(chance.uniform(0.1, 0.7))
            cancel = exchange._api_delete(
                path_url="/order",
                params={"symbol": pair.replace("-", ""), "origClientOrderId": order_id},
                is_auth_required=True,
            )
            await forgiving("cancel", cancel)

    await exchange._update_trading_rules()
    first = []
    count = WEIGHT // TICKERS - 20
    for number in range(count):
        await asyncio.sleep(begin + number / count * (full - begin) - time.monotonic())
        first.append(asyncio.create_task(read()))
    await asyncio.gather(*first)
    for waits in watch.waits.values():
        waits.clear()
    watch.answers.clear()
    until = time.monotonic() + seconds
    tasks: list[Callable[[], Awaitable[None]]] = [reader] * READERS
    running = [asyncio.ensure_future(task()) for task in tasks]
    running += [asyncio.ensure_future(trader(number)) for number in range(TRADERS)]
    await asyncio.wait(running, timeout=max(0.0, until - time.monotonic()))
    for one in running:
        one.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    return seen


async def run(url: str, minute: float, seconds: float) -> None:
    """Trades for some seconds after a minute in which the weight fills up."""
    from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

    exchange = connector(url, minute)
    watch = Watch()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    seen = await trade(exchange, watch, minute, seconds)
    await ConnectionsFactory().close()
    print(
        json.dumps({**seen, "waits": watch.waits, "answers": watch.answers, "whole": watch.whole})
    )


if __name__ == "__main__":
    main(run, __doc__)
