"""A real Freqtrade bot, as `freqtrade trade` runs it, with open trades and a clock to be moved.

It reads commands from standard input, one a line, and answers each with a line of JSON:

- `shift SECONDS` moves the wall clock.
- `threads`: the names of the threads of sluicegate's that run.
- `joined`: how many rates API callers have got from a load that somebody else had begun.
- `used`: by which threads each asynchronous ccxt object was used, and the calls that began on a
  ccxt object while another thread's was under way.

The end of the input ends the bot, as SIGTERM does.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from freqtrade.enums import RunMode
from freqtrade.exchange.exchange import Exchange
from freqtrade.main import main
from freqtrade.persistence import Order, Trade, init_db
from freqtrade.util import FtTTLCache
from freqtrade.util.coin_gecko import FtCoinGeckoApi

import sluicegate.freqtrade
from peers.freqtrade.uses import Uses

STOCK_ROOM = 1_000


def make_trades(db_url: str, pairs: list[str], opened: datetime) -> None:
    """An open trade for each pair, bought in full, at a rate of its own."""
    init_db(db_url)
    for number, pair in enumerate(pairs):
        rate = 1.0 + number / 10
        amount = 10.0 / rate
        trade = Trade(
            pair=pair,
            base_currency=pair.split("/")[0],
            stake_currency="USDT",
            stake_amount=10.0,
            amount=amount,
            amount_requested=amount,
            fee_open=0.001,
            fee_close=0.001,
            open_rate=rate,
            open_date=opened,
            is_open=True,
            exchange="binance",
            strategy="Patient",
            timeframe=5,
            leverage=1.0,
            stop_loss=rate / 1_000,
            initial_stop_loss=rate / 1_000,
        )
        trade.orders.append(
            Order(
                order_id=f"made_{number}",
                ft_order_side="buy",
                ft_pair=pair,
                ft_is_open=False,
                ft_amount=amount,
                ft_price=rate,
                status="closed",
                symbol=pair,
                order_type="limit",
                side="buy",
                price=rate,
                average=rate,
                amount=amount,
                filled=amount,
                remaining=0.0,
                cost=10.0,
                order_date=opened,
                order_filled_date=opened,
            )
        )
        Trade.session.add(trade)
    Trade.commit()


def lead_to_stand_in(coin_gecko: str) -> None:
    """Has Freqtrade ask this address in place of CoinGecko's."""
    own = FtCoinGeckoApi.__init__

    def init(self: FtCoinGeckoApi, *args: object, **kwargs: object) -> None:
        own(self, *args, **kwargs)
        self.api_base_url = coin_gecko

    FtCoinGeckoApi.__init__ = init


def give_room() -> None:
    """Gives Freqtrade's own rate caches room for every pair."""
    own = Exchange.__init__

    def init(self: Exchange, *args: object, **kwargs: object) -> None:
        own(self, *args, **kwargs)
        if self._config["runmode"] == RunMode.DRY_RUN:
            self._exit_rate_cache = FtTTLCache(maxsize=STOCK_ROOM, ttl=300)
            self._entry_rate_cache = FtTTLCache(maxsize=STOCK_ROOM, ttl=300)

    Exchange.__init__ = init


def threads() -> list[str]:
    """The names of sluicegate's threads that run now."""
    return [thread.name for thread in threading.enumerate() if "sluicegate" in thread.name]


def joined() -> int:
    """Rates that were got from a load that somebody else had begun, over all bots so far."""
    from sluicegate.freqtrade.hooks import _running

    rates = [running.rates for running in _running if running.rates is not None]
    return sum(one.exit.stats().joined for one in rates)


def obey(commands: dict[str, Callable[..., Any]]) -> None:
    """Does what standard input says, and ends the bot when it says no more, or something wrong."""
    try:
        for line in sys.stdin:
            command, *values = line.split()
            print(json.dumps(commands[command](*values)), flush=True)
    finally:
        signal.raise_signal(signal.SIGTERM)


def run() -> None:
    """The bot, until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trades", type=int, default=0)
    parser.add_argument("--opened", type=datetime.fromisoformat, help="when; an hour ago")
    parser.add_argument("--coin-gecko")
    parser.add_argument("--stock", action="store_true", help="without the drop-in")
    parser.add_argument("--room", action="store_true", help="larger caches of Freqtrade's own")
    options = parser.parse_args()
    config = json.loads((options.folder / "config.json").read_text())
    if options.trades:
        pairs = config["exchange"]["pair_whitelist"][: options.trades]
        opened = options.opened or datetime.now(UTC) - timedelta(hours=1)
        make_trades(config["db_url"], pairs, opened)
    if options.coin_gecko:
        lead_to_stand_in(options.coin_gecko)
    if options.room:
        give_room()
    uses = Uses()
    uses.watch()
    if not options.stock:
        sluicegate.freqtrade.install()
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        commands = {
            "shift": lambda seconds: clock.shift(float(seconds)),
            "threads": threads,
            "joined": joined,
            "used": uses.told,
        }
        threading.Thread(target=obey, args=(commands,), daemon=True).start()
        folder = str(options.folder)
        main(["trade", "--config", f"{folder}/config.json", "--userdir", folder])


if __name__ == "__main__":
    run()
