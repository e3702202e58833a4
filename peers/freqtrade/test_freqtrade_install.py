"""Putting the drop-in inside the real Freqtrade, and what it leaves alone."""

from __future__ import annotations

import atexit
import pickle
import threading
import warnings
from collections.abc import Callable

import cloudpickle
import pytest
from freqtrade.enums import RunMode
from freqtrade.exchange.exchange import Exchange
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.rpc.fiat_convert import CryptoToFiatConverter
from freqtrade.util import FtTTLCache

import sluicegate.freqtrade as drop_in
from peers.freqtrade.bot import price_calls
from sluicegate import LoadingCache
from sluicegate.ccxt import installing as ccxt
from sluicegate.testing import StandInExchange

MakeExchange = Callable[..., Exchange]


def methods() -> list[dict[str, object]]:
    return [dict(vars(owner)) for owner in (Exchange, FreqtradeBot, CryptoToFiatConverter)]


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("sluicegate")]


def test_uninstalling_leaves_no_trace() -> None:
    before = methods()
    drop_in.install()
    assert methods() != before
    drop_in.uninstall()
    assert methods() == before


def test_what_the_exchange_answers_is_heard_without_another_call() -> None:
    assert not ccxt.is_installed()
    drop_in.install()
    assert ccxt.is_installed()
    drop_in.uninstall()
    assert not ccxt.is_installed()
    ccxt.install()
    drop_in.install()
    drop_in.uninstall()
    assert ccxt.is_installed()
    ccxt.uninstall()


def test_installing_twice_is_installing_once() -> None:
    before = methods()
    drop_in.install()
    once = methods()
    drop_in.install()
    assert methods() == once
    drop_in.uninstall()
    assert methods() == before
    drop_in.uninstall()
    assert methods() == before


def test_what_somebody_else_put_there_later_stays(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    freqtrades = Exchange.get_rate
    drop_in.install()
    ours, asked = Exchange.get_rate, []

    def theirs(self: Exchange, pair: str, *args: object, **kwargs: object) -> float:
        asked.append(pair)
        return ours(self, pair, *args, **kwargs)

    Exchange.get_rate = theirs
    try:
        bot = make_exchange()
        bot.get_rate("BTC/USDT", False, "exit", False)
        drop_in.install()
        assert Exchange.get_rate is theirs
        drop_in.uninstall()
        assert Exchange.get_rate is theirs
        # Ours, which theirs calls, asks as Freqtrade does; and another one can go around it.
        exchange.clear_calls()
        assert bot.get_rate("ETH/USDT", False, "exit", False)
        assert [call.symbols for call in price_calls(exchange)] == [("ETHUSDT",)]
        drop_in.install()
        bot = make_exchange()
        assert isinstance(bot._exit_rate_cache, LoadingCache)
        assert bot.get_rate("ETH/USDT", False, "exit", False)
        drop_in.uninstall()
        assert Exchange.get_rate is theirs
        assert {"BTC/USDT", "ETH/USDT"} == {*asked}
    finally:
        drop_in.uninstall()
        Exchange.get_rate = freqtrades


def test_installing_again_and_again_leaves_nothing_behind_at_the_end_of_the_program() -> None:
    drop_in.install()
    drop_in.uninstall()
    before = atexit._ncallbacks()
    for _ in range(10):
        drop_in.install()
        drop_in.uninstall()
    assert atexit._ncallbacks() == before


def test_this_version_is_one_that_is_known() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drop_in.install()
    drop_in.uninstall()


def test_an_exchange_from_before_keeps_its_own_caches(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange()
    drop_in.install()
    try:
        assert type(bot._exit_rate_cache) is FtTTLCache
        bot.get_rate("BTC/USDT", False, "exit", False)
        assert bot._exit_rate_cache["BTC/USDT"]
        assert len(price_calls(exchange)) == 1
    finally:
        drop_in.uninstall()


def test_an_exchange_goes_on_with_freqtrades_code_after_uninstalling(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    drop_in.install()
    bot = make_exchange()
    assert isinstance(bot._exit_rate_cache, LoadingCache)
    bot.get_rate("BTC/USDT", False, "exit", False)
    assert threads() == ["sluicegate-rates"]
    drop_in.uninstall()
    assert threads() == []
    exchange.clear_calls()
    assert bot.get_rate("BTC/USDT", False, "exit", False)
    assert price_calls(exchange) == []
    assert bot.get_rate("ETH/USDT", False, "exit", False)
    assert [call.symbols for call in price_calls(exchange)] == [("ETHUSDT",)]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "runmode", sorted(set(RunMode) - {RunMode.LIVE, RunMode.DRY_RUN}, key=str), ids=str
)
def test_what_does_not_trade_is_left_alone(runmode: RunMode, make_exchange: MakeExchange) -> None:
    # Not even its settings are read.
    bot = make_exchange({"ttl": "forever"}, runmode)
    assert type(bot._exit_rate_cache) is type(bot._entry_rate_cache) is FtTTLCache
    assert "_sluicegate" not in vars(bot)
    assert threads() == []


@pytest.mark.usefixtures("installed")
def test_hyperopt_can_send_its_exchange_to_its_workers(make_exchange: MakeExchange) -> None:
    bot = make_exchange(None, RunMode.HYPEROPT)
    bot.close()
    for name in ("_api", "_api_async", "loop", "_loop_lock", "_cache_lock"):
        # Hyperopt takes these away, and expects the rest to be fit for it.
        setattr(bot, name, None)
    assert pickle.loads(cloudpickle.dumps(bot))._config["runmode"] == RunMode.HYPEROPT


@pytest.mark.usefixtures("installed")
def test_closing_an_exchange_ends_its_thread(make_exchange: MakeExchange) -> None:
    bot = make_exchange()
    bot.get_rate("BTC/USDT", False, "exit", False)
    assert threads() == ["sluicegate-rates"]
    bot.close()
    assert threads() == []
