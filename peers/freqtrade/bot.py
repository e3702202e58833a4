"""Starts real Freqtrade bots in processes of their own, and asks their REST servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from sluicegate.testing import Call, StandInExchange

STRATEGY = '''
from freqtrade.strategy import IStrategy


class Patient(IStrategy):
    """Neither buys nor sells."""

    timeframe = "5m"
    minimal_roi = {"0": 100}
    stoploss = -0.99
    startup_candle_count = 0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 0
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe
'''

LOGIN = ("bot", "a password")
SPOT = ("public", "private", "v1", "v3", "sapi")
FUTURES = ("fapiPublic", "fapiPublicV2", "fapiPublicV3", "fapiData", "dapiPublic", "dapiData")
PRICES = ("/api/v3/ticker/24hr", "/api/v3/ticker/bookTicker", "/api/v3/depth")
PATIENCE = 90.0
"""Seconds that a bot may take to start or to end; it imports for some of them."""


def configuration(
    folder: Path,
    url: str,
    pairs: Sequence[str],
    settings: Mapping[str, Any] | None,
    *,
    pace: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A config as a user would write it, for a bot against a stand-in exchange.

    Args:
        folder: Where the bot keeps its files.
        url: The stand-in's.
        pairs: The whitelist.
        settings: The `sluicegate` section; None for none.
        pace: Milliseconds that ccxt leaves between two requests of weight 1; None for its own,
            by which all tickers take 2 seconds.
        **more: Other settings of Freqtrade.
    """
    address = f"{url}/api/v3"
    ccxt: dict[str, Any] = {
        # Freqtrade asks the futures, too, where it finds no rate for a coin of the wallet.
        "urls": {"api": dict.fromkeys((*SPOT, *FUTURES), address)},
        "options": {"fetchCurrencies": False, "fetchMarkets": {"types": ["spot"]}},
    }
    if pace is not None:
        ccxt["rateLimit"] = pace
    pricing = {"price_side": "same", "use_order_book": False}
    config: dict[str, Any] = {
        "dry_run": True,
        "dry_run_wallet": 100_000,
        "db_url": f"sqlite:///{folder}/trades.sqlite",
        "stake_currency": "USDT",
        "stake_amount": 10,
        "max_open_trades": -1,
        "fiat_display_currency": "USD",
        "timeframe": "5m",
        "strategy": "Patient",
        "initial_state": "stopped",
        "entry_pricing": pricing,
        "exit_pricing": pricing,
        "exchange": {
            "name": "binance",
            "enable_ws": False,
            "pair_whitelist": list(pairs),
            "ccxt_config": ccxt,
            "ccxt_async_config": ccxt,
        },
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": {
            "enabled": True,
            "listen_ip_address": "127.0.0.1",
            "listen_port": _free_port(),
            "username": LOGIN[0],
            "password": LOGIN[1],
            "jwt_secret_key": "not a secret, but as long as Freqtrade wants it to be",
        },
        "internals": {"process_throttle_secs": 1},
    }
    if settings is not None:
        config["sluicegate"] = dict(settings)
    return {**config, **more}


def bot_on(
    exchange: StandInExchange,
    folder: Path,
    settings: Mapping[str, Any] | None,
    *words: str,
    trades: int = 120,
    pace: float | None = 1,
    **more: Any,
) -> Bot:
    """A bot on a stand-in exchange, and on the stand-in for CoinGecko that is served beside it.

    Args:
        exchange: Its pairs are the whitelist.
        folder: Where the bot gets a folder of its own.
        settings: See `configuration`.
        words: For `peers.freqtrade.program`.
        trades: How many of the pairs have an open trade.
        pace: See `configuration`.
        **more: Other settings of Freqtrade.
    """
    own = folder / f"bot-{len(list(folder.iterdir()))}"
    own.mkdir()
    config = configuration(own, exchange.url, exchange.market.pairs, settings, pace=pace, **more)
    coin_gecko = f"{exchange.url}/coingecko/api/v3/"
    return Bot(own, config, "--trades", str(trades), "--coin-gecko", coin_gecko, *words)


def price_calls(exchange: StandInExchange) -> list[Call]:
    """The calls that asked the exchange for prices, oldest answer first."""
    return [call for call in exchange.calls() if call.path in PRICES]


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for something in another process or thread.

    Raises:
        TimeoutError: It did not happen for as long as anything may take.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.02)


class Bot:
    """One bot, as long as the block lasts.

    Args:
        folder: An empty one.
        config: See `configuration`.
        words: For `peers.freqtrade.program`; or, with ``command``, for that.
        command: Starts the bot in another way.
        environment: More variables for its environment.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *words: str,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Writes what the bot reads; it does not run yet."""
        (folder / "strategies").mkdir()
        (folder / "strategies" / "patient.py").write_text(STRATEGY)
        self._config = folder / "config.json"
        self._config.write_text(json.dumps(config))
        self._log = folder / "log"
        self._url = f"http://127.0.0.1:{config['api_server']['listen_port']}/api/v1"
        program = [sys.executable, "-m", "peers.freqtrade.program", str(folder), *words]
        self._words = program if command is None else list(command)
        # Wide: its log would have line breaks within what tests look for.
        self._environment = {**os.environ, "COLUMNS": "1000", **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._interrupted = False

    def __enter__(self) -> Bot:
        """Starts it, unless it was, and waits until its REST server answers."""
        if self._process is None:
            self.start()
        process = self._process
        assert process is not None
        try:
            until(lambda: self._answers() or process.poll() is not None, "the bot answers")
            assert process.poll() is None
        except (AssertionError, TimeoutError) as error:
            process.kill()
            raise RuntimeError(f"the bot did not start:\n{self.log()[-4_000:]}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.quit()

    def start(self) -> None:
        """Starts it, and does not wait."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )

    def wait(self) -> None:
        """Waits until it ends by itself."""
        assert self._process is not None
        with self._process as process:
            process.wait(PATIENCE)

    def interrupt(self) -> None:
        """Has it end, and does not wait.

        By SIGTERM: SIGINT is ignored by whatever a shell began in the background.
        """
        assert self._process is not None
        if not self._interrupted:
            self._process.send_signal(signal.SIGTERM)
        self._interrupted = True

    def reload(self, **changes: Any) -> None:
        """Changes its config, and has it begin anew with that."""
        config = json.loads(self._config.read_text())
        self._config.write_text(json.dumps({**config, **changes}))
        reloaded = self.log().count("after config reloaded")
        self.post("reload_config")
        until(
            lambda: self.log().count("after config reloaded") > reloaded and self._answers(),
            "the bot has reloaded its config",
        )

    def kill(self) -> None:
        """Ends it at once, without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)
        self._interrupted = True

    def quit(self) -> None:
        """Ends it, and waits."""
        self.interrupt()
        process = self._process
        assert process is not None
        with process:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    def get(self, path: str, **parameters: Any) -> Any:
        """What the REST server answers."""
        answer = requests.get(
            f"{self._url}/{path}", params=parameters, auth=LOGIN, timeout=2 * PATIENCE
        )
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str) -> Any:
        """What the REST server answers to a command."""
        answer = requests.post(f"{self._url}/{path}", auth=LOGIN, timeout=2 * PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def tell(self, *words: object) -> Any:
        """What `peers.freqtrade.program` answers to a command."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        print(*words, file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    def shift(self, seconds: float) -> None:
        """Moves the bot's wall clock."""
        self.tell("shift", seconds)

    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text()

    def _answers(self) -> bool:
        try:
            return bool(self.get("ping"))
        except requests.RequestException:
            return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
