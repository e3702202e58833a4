"""Real connectors of Hummingbot in several processes, which share their limits."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sluicegate.testing import StandInExchange, binance_spot

#: Makes the connectors and feeds that a bot with these pairs may have, and tells their budgets.
CONNECTORS = """
import asyncio, json, sys
from peers.hummingbot.tables import pretend_unneeded
pretend_unneeded()
import sluicegate.hummingbot
sluicegate.hummingbot.install()
from hummingbot.connector.derivative.bybit_perpetual.bybit_perpetual_derivative import (
    BybitPerpetualDerivative,
)
from hummingbot.connector.derivative.okx_perpetual.okx_perpetual_derivative import (
    OkxPerpetualDerivative,
)
from hummingbot.connector.exchange.binance import binance_web_utils
from hummingbot.connector.exchange.binance.binance_exchange import BinanceExchange
from hummingbot.connector.exchange.kraken.kraken_exchange import KrakenExchange
from hummingbot.connector.exchange.kucoin.kucoin_exchange import KucoinExchange
from hummingbot.connector.exchange.mexc.mexc_exchange import MexcExchange
from hummingbot.data_feed.candles_feed.binance_spot_candles import BinanceSpotCandles
from hummingbot.data_feed.candles_feed.okx_spot_candles import OKXSpotCandles

pair = sys.argv[1]
binance = dict(binance_api_key="key", binance_api_secret="secret", trading_pairs=[pair])


async def main():
    bybit = BybitPerpetualDerivative(
        bybit_perpetual_api_key="k", bybit_perpetual_secret_key="s", trading_pairs=[pair]
    )
    okx = OkxPerpetualDerivative(
        okx_perpetual_api_key="k",
        okx_perpetual_secret_key="s",
        okx_perpetual_passphrase="p",
        trading_pairs=[pair],
    )
    made = {
        "binance": BinanceExchange(**binance),
        "binance_us": BinanceExchange(**binance, domain="us"),
        "a fetcher of binance": BinanceExchange(**{**binance, "trading_pairs": []}),
        "mexc": MexcExchange("k", "s", trading_pairs=[pair]),
        "kucoin": KucoinExchange("k", "p", "s", trading_pairs=[pair]),
        "kraken": KrakenExchange("k", "c2VjcmV0", trading_pairs=[pair]),
        "bybit": bybit,
        "okx": okx,
    }
    throttlers = {name: connector._throttler for name, connector in made.items()}
    throttlers["binance by its plumbing"] = binance_web_utils.create_throttler()
    throttlers["candles"] = BinanceSpotCandles(pair)._api_factory._throttler
    throttlers["okx candles"] = OKXSpotCandles(pair)._api_factory._throttler
    print(json.dumps({
        name: [throttler._shared.share.account, sorted(throttler._id_to_limit_map)]
        for name, throttler in throttlers.items()
    }))


asyncio.run(main())
"""

#: Asks the stand-in so often for something of weight 20, through Binance's plumbing.
BOT = """
import asyncio, sys
import sluicegate.hummingbot
sluicegate.hummingbot.install()
from hummingbot.connector.exchange.binance import binance_constants, binance_web_utils
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

url, times = sys.argv[1], int(sys.argv[2])
binance_constants.REST_URL = f"{url}/api/"
for limit in binance_constants.RATE_LIMITS:
    limit.time_interval /= 30
path = binance_constants.EXCHANGE_INFO_PATH_URL


async def main():
    throttler = binance_web_utils.create_throttler()
    build = binance_web_utils.build_api_factory_without_time_synchronizer_pre_processor
    assistant = await build(throttler).get_rest_assistant()
    address = binance_web_utils.public_rest_url(path)
    await asyncio.gather(
        *(assistant.execute_request(address, throttler_limit_id=path) for _ in range(times))
    )
    await ConnectionsFactory().close()


asyncio.run(main())
"""


def environment(tmp_path: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    store = f"sqlite:///{tmp_path}/budget.db"
    return {**os.environ, "PYTHONPATH": path, "SLUICEGATE_SHARE": store}


def made_with(pair: str, env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", CONNECTORS, pair],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_connector_has_one_budget_whatever_its_trading_pairs(tmp_path: Path) -> None:
    env = environment(tmp_path)
    one, other = made_with("BTC-USDT", env), made_with("ETH-USDC", env)
    budgets = {name: account for name, (account, _) in one.items()}
    assert budgets == {name: account for name, (account, _) in other.items()}
    assert budgets == {
        "binance": "default/binance",
        "binance_us": "default/binance_us",
        "a fetcher of binance": "default/binance",
        "binance by its plumbing": "default/binance",
        "mexc": "default/mexc",
        "kucoin": "default/kucoin",
        "kraken": "default/kraken",
        "bybit": "default/bybit_perpetual",
        "okx": "default/okx_perpetual",
        "candles": "default/binance_spot_candles",
        "okx candles": "default/okx_spot_candles",
    }
    # That is no matter of course: the tables of some connectors depend on the pairs.
    assert one["bybit"][1] != other["bybit"][1]


async def test_two_bots_on_one_budget_keep_to_the_weights_together(tmp_path: Path) -> None:
    """200 requests of weight 20 each, for 6,000 a minute, of which each takes two seconds here."""
    async with StandInExchange(binance_spot(minute=2), latency=(0.002, 0.06), seed=1) as exchange:
        bots = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", BOT, exchange.url, "200"),
                env=environment(tmp_path),
                stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]
        ends = await asyncio.wait_for(asyncio.gather(*(bot.communicate() for bot in bots)), 120)
        seen = exchange.statistics()
    assert [bot.returncode for bot in bots] == [0, 0], ends
    assert (seen.accepted, seen.rejected, seen.banned) == (400, 0, 0)
    weight = seen.limit("REQUEST_WEIGHT")
    assert 4_000 < weight.worst_window <= weight.limit
