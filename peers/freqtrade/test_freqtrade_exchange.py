"""Freqtrade's exchange object with the drop-in, in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from freqtrade.exceptions import ExchangeError, TemporaryError
from freqtrade.exchange.exchange import Exchange
from freqtrade.persistence import Trade

import sluicegate.freqtrade as drop_in
from peers.freqtrade.bot import price_calls, until
from peers.freqtrade.program import make_trades
from sluicegate.testing import Price, StandInExchange

MakeExchange = Callable[..., Exchange]

PAIR, OTHER = "BTC/USDT", "ETH/USDT"

PRICINGS = [
    {"price_side": side, "price_last_balance": 0.25, **book}
    for side in ("same", "other", "bid", "ask")
    for book in (
        {"use_order_book": False},
        {"use_order_book": True, "order_book_top": 1},
        {"use_order_book": True, "order_book_top": 3},
    )
]


@pytest.fixture(autouse=True)
def trades(make_exchange: MakeExchange) -> None:
    """Three open trades in this process's database."""
    make_trades("sqlite://", [PAIR, OTHER, "XRP/USDT"], datetime.now(UTC))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("side", ["entry", "exit"])
def test_refresh_always_asks_and_what_it_gets_is_kept(
    side: str, make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange()
    first = bot.get_rate(PAIR, False, side, False)
    exchange.market.set_prices({PAIR: Price(500)})
    exchange.clear_calls()

    assert bot.get_rate(PAIR, False, side, False) == first
    assert price_calls(exchange) == []
    fresh = bot.get_rate(PAIR, True, side, False)
    assert fresh == pytest.approx(500, rel=1e-3)
    assert [call.symbols for call in price_calls(exchange)] == [("BTCUSDT",)]
    assert bot.get_rate(PAIR, False, side, False) == fresh
    assert bot.get_rate(PAIR, True, side, False) == fresh
    assert len(price_calls(exchange)) == 2


@pytest.mark.parametrize(
    "pricing", PRICINGS, ids=lambda pricing: "-".join(map(str, pricing.values()))
)
def test_the_rates_are_freqtrades_own(
    pricing: dict[str, Any], make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    settings = {"entry_pricing": pricing, "exit_pricing": pricing}
    stock = make_exchange(**settings)
    drop_in.install()
    try:
        ours = make_exchange(**settings)
        exchange.market.set_prices(
            {
                PAIR: Price(100, bid=101, ask=103),
                OTHER: Price(100, bid=97, ask=99),
                "XRP/USDT": Price(100, bid=99, ask=102),
            }
        )
        for pair, side, short in product(
            [PAIR, OTHER, "XRP/USDT"], ["entry", "exit"], [False, True]
        ):
            for one in (stock, ours):
                # Whether a trade is short is not in Freqtrade's cache, either.
                one._entry_rate_cache.clear()
                one._exit_rate_cache.clear()
            assert ours.get_rate(pair, False, side, short) == stock.get_rate(
                pair, False, side, short
            )
    finally:
        drop_in.uninstall()


@pytest.mark.usefixtures("installed")
def test_entry_and_exit_are_kept_apart(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange()
    price = exchange.market.price(PAIR)
    assert bot.get_rate(PAIR, False, "entry", False) == pytest.approx(price.bid)
    assert bot.get_rate(PAIR, False, "exit", False) == pytest.approx(price.ask)
    assert bot.get_rates(PAIR, False, False) == pytest.approx((price.bid, price.ask))
    assert len(price_calls(exchange)) == 2


@pytest.mark.usefixtures("installed")
def test_more_pairs_than_a_batch_are_asked_for_without_their_names(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange({"batch": 2})
    bot.get_rate(PAIR, False, "exit", False)
    assert [call.symbols for call in price_calls(exchange)] == [()]


@pytest.mark.usefixtures("installed")
def test_a_batch_of_one_asks_for_each_pair(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange({"batch": 1})
    bot.get_rate(PAIR, False, "exit", False)
    one_each = [("BTCUSDT",), ("ETHUSDT",), ("XRPUSDT",)]
    until(
        lambda: sorted(call.symbols for call in price_calls(exchange)) == one_each,
        "the pairs that nobody waits for are asked for, too",
    )


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("cause", ["delisted", "unknown", "failing"])
def test_the_errors_are_freqtrades_own(
    cause: str, make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange()
    pair = "NONE/USDT" if cause == "unknown" else PAIR
    kind = ExchangeError if cause == "unknown" else TemporaryError
    if cause == "delisted":
        exchange.market.delist(PAIR)
    if cause == "failing":
        exchange.fail()
    with pytest.raises(kind) as fresh:
        bot.get_rate(pair, True, "exit", False)
    exchange.clear_calls()
    for _ in range(3):
        with pytest.raises(kind) as cached:
            bot.get_rate(pair, False, "exit", False)
        assert type(cached.value) is type(fresh.value)
    assert [call.symbols for call in price_calls(exchange)].count((pair.replace("/", ""),)) <= 1


@pytest.mark.usefixtures("installed")
def test_a_rate_that_was_stored_by_hand_is_returned(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    """Freqtrade itself writes to its caches when the bot's loop asks anew."""
    bot = make_exchange()
    bot._exit_rate_cache[PAIR] = 7.0
    assert bot.get_rate(PAIR, False, "exit", False) == 7.0
    assert price_calls(exchange) == []


@pytest.mark.usefixtures("installed")
def test_a_trade_that_is_closed_is_not_asked_for(
    make_exchange: MakeExchange, exchange: StandInExchange
) -> None:
    bot = make_exchange()
    trade = Trade.get_trades([Trade.pair == OTHER]).one()
    trade.is_open = False
    Trade.commit()
    bot.get_rate(PAIR, False, "exit", False)
    assert [sorted(call.symbols) for call in price_calls(exchange)] == [["BTCUSDT", "XRPUSDT"]]
