"""Fixtures of the tests inside the real Freqtrade: stand-in exchanges, and bots on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange.exchange import Exchange
from freqtrade.persistence import init_db
from freqtrade.resolvers import ExchangeResolver

import sluicegate.freqtrade as drop_in
from peers.freqtrade import fake_exchange
from peers.freqtrade.bot import configuration
from peers.freqtrade.fake_exchange import FakeApi, FakeBot
from sluicegate.testing import CoinGecko, Market, Price, StandInExchange

PAIRS = 120


@pytest.fixture(scope="module")
def running_exchange() -> Iterator[StandInExchange]:
    """A stand-in exchange for all tests of a module, beside a stand-in for CoinGecko."""
    with StandInExchange(market=Market.of_size(PAIRS)) as exchange:
        CoinGecko().serve(exchange)
        yield exchange


@pytest.fixture
def exchange(running_exchange: StandInExchange) -> Iterator[StandInExchange]:
    """The module's exchange, as it is when nothing is wrong."""
    exchange = running_exchange
    market = exchange.market
    exchange.heal()
    exchange.latency = (0, 0)
    market.relist(*market.pairs, *(symbol.name for symbol in market.symbols))
    market.set_prices({pair: Price(100 + n) for n, pair in enumerate(market.pairs)})
    exchange.reset()
    yield exchange
    exchange.heal()


@pytest.fixture
def installed() -> Iterator[None]:
    """The drop-in, inside Freqtrade for one test."""
    drop_in.install()
    yield
    drop_in.uninstall()


@pytest.fixture
def make_exchange(exchange: StandInExchange, tmp_path: Path) -> Iterator[Callable[..., Exchange]]:
    """Makes Freqtrade's exchange object in this process, as a bot without trades does."""
    init_db("sqlite://")
    made = []

    def make(
        settings: dict[str, Any] | None = None, runmode: RunMode = RunMode.DRY_RUN, **more: Any
    ) -> Exchange:
        pairs = exchange.market.pairs
        config = configuration(tmp_path, exchange.url, pairs, settings, pace=1, **more)
        config |= {"runmode": runmode, "candle_type_def": CandleType.SPOT}
        made.append(ExchangeResolver.load_exchange(config))
        exchange.clear_calls()
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def api() -> FakeApi:
    """An exchange whose every answer a test decides; each pair has a price of its own."""
    return FakeApi({pair: 10.0 + n for n, pair in enumerate(fake_exchange.PAIRS)})


@pytest.fixture
def make(api: FakeApi) -> Iterator[Callable[..., FakeBot]]:
    """Makes bots on that exchange, with a trade open in each pair."""
    made: list[FakeBot] = []

    def make(**options: Any) -> FakeBot:
        made.append(FakeBot(api, **options))
        return made[-1]

    yield make
    for bot in made:
        bot.rates.close()
