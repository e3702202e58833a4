"""A real `BinanceExchange` of Hummingbot that trades, in a program of its own.

It says `ready`, begins when it is given a line, and prints a line of JSON at its end: what came of
its requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from sluicegate import tables
from sluicegate.hummingbot import exchanges

PAIRS = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "BNB-USDT"]
TRADERS, READERS, FEEDS = 12, 60, 4


def connector(url: str, minute: float) -> Any:
    """The connector, and a data feed's own throttler beside it, at the stand-in."""
    from hummingbot.connector.exchange.binance import binance_constants
    from hummingbot.connector.exchange.binance.binance_exchange import BinanceExchange

    binance_constants.REST_URL = f"{url}/api/"
    for limit in binance_constants.RATE_LIMITS:
        limit.time_interval *= minute / 60
    # The exchange's published windows are as much shorter, for the drop-in.
    loaded = {name: tables.load(name).scaled(minute) for name in ("binance-spot", "binance-usdm")}
    exchanges.tables = SimpleNamespace(
        load=lambda name: loaded.get(name) or tables.load(name), names=tables.names
    )
    return BinanceExchange("a key", "a secret", trading_pairs=PAIRS, trading_required=True)


async def trade(exchange: Any, until: float) -> Counter[str]:
    """Orders, cancels, balances and books, as many at once as a busy bot has."""
    from hummingbot.connector.exchange.binance import binance_web_utils
    from hummingbot.core.data_type.common import OrderType, TradeType

    seen: Counter[str] = Counter()
    orders: Counter[int] = Counter()
    factory = binance_web_utils.build_api_factory_without_time_synchronizer_pre_processor(
        binance_web_utils.create_throttler()
    )

    async def order(number: int) -> None:
        pair = PAIRS[number % len(PAIRS)]
        order_id = f"x-{number}-{time.monotonic_ns()}"
        side = TradeType.BUY if number % 2 else TradeType.SELL
        amount, price = Decimal("0.01"), Decimal("90.5")
        await exchange._place_order(order_id, pair, amount, side, OrderType.LIMIT, price)
        orders[number] += 1
        if orders[number] % 5 == 0:
            await exchange._api_delete(
                path_url="/order",
                params={"symbol": pair.replace("-", ""), "origClientOrderId": order_id},
                is_auth_required=True,
            )

    async def read(number: int) -> None:
        # What weighs as much here as the exchange counts it. Its table has 100 for a book of 50.
        if number % 4 == 1:
            await exchange.get_all_pairs_prices()
        else:
            await exchange._update_balances()

    async def feed(number: int) -> None:
        """What is beside the connector and has a throttler of its own, as the rate oracle."""
        assistant = await factory.get_rest_assistant()
        path = "/ticker/bookTicker"
        await assistant.execute_request(
            binance_web_utils.public_rest_url(path), throttler_limit_id=path
        )

    async def again(do: Callable[[int], Awaitable[None]], number: int, pause: float) -> None:
        while time.monotonic() < until:
            try:
                await do(number)
                seen["done"] += 1
            except asyncio.CancelledError:
                raise
            except Exception as error:
                text = str(error)
                known = next((x for x in ("429", "418", "404") if f"status is {x}" in text), None)
                seen[known or type(error).__name__] += 1
            await asyncio.sleep(pause)

    tasks = [
        *(asyncio.ensure_future(again(order, n, 0.01)) for n in range(TRADERS)),
        *(asyncio.ensure_future(again(read, n, 0.01)) for n in range(READERS)),
        *(asyncio.ensure_future(again(feed, n, 0.5)) for n in range(FEEDS)),
    ]
    try:
        await exchange._update_trading_rules()
    except Exception as error:
        seen[type(error).__name__] += 1
    await asyncio.wait(tasks, timeout=max(0.0, until - time.monotonic()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


async def run(url: str, minute: float, seconds: float) -> None:
    """Trades for some seconds."""
    from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

    exchange = connector(url, minute)
    # Whoever has started it says when it may begin.
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.process_time()
    seen = await trade(exchange, time.monotonic() + seconds)
    await ConnectionsFactory().close()
    print(json.dumps({**seen, "cpu": time.process_time() - began}))


def quiet() -> None:
    """Hummingbot's screen is not there, and nobody reads its log."""
    from hummingbot.logger import HummingbotLogger

    HummingbotLogger.notify = lambda self, text: self.info(text)
    logging.getLogger("hummingbot").setLevel(logging.CRITICAL)


def main(
    run: Callable[[str, float, float], Awaitable[None]] = run, description: str | None = __doc__
) -> None:
    """One run of a program: its address, the seconds of its minute and those that it lasts."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds of its minute")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--drop-in", action="store_true")
    asked = parser.parse_args()
    if asked.drop_in:
        import sluicegate.hummingbot

        sluicegate.hummingbot.install()
    quiet()
    asyncio.run(run(asked.url, asked.minute, asked.seconds))


if __name__ == "__main__":
    main()
