"""How often a real bot requests the rates of its open trades, and how old they get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from peers.freqtrade.bot import Bot, bot_on, price_calls
from sluicegate.testing import Price, StandInExchange

TTL, ERROR_TTL = 300, 60
TICKERS = "/api/v3/ticker/24hr"
HOUR = 3_600


@pytest.fixture(scope="module")
def running_bot(
    running_exchange: StandInExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bot]:
    # A size far below the number of its trades: the caches have to grow by themselves.
    settings = {"keep_warm": False, "size": 10, "ttl": TTL, "error_ttl": ERROR_TTL}
    with bot_on(running_exchange, tmp_path_factory.mktemp("rates"), settings) as bot:
        yield bot


@pytest.fixture
def bot(running_bot: Bot, exchange: StandInExchange) -> Bot:
    """A bot with 120 open trades, for which no rate is known."""
    running_bot.shift(HOUR)
    exchange.clear_calls()
    return running_bot


def rates(bot: Bot) -> dict[str, float | None]:
    return {trade["pair"]: trade["current_rate"] for trade in bot.get("status")}


def asks(exchange: StandInExchange) -> dict[str, float]:
    """What the rates must be: these bots sell at the best ask."""
    return {pair: exchange.market.price(pair).ask for pair in exchange.market.pairs}


def raise_prices(exchange: StandInExchange) -> None:
    market = exchange.market
    market.set_prices({pair: Price(market.price(pair).last + 1) for pair in market.pairs})


def test_all_open_trades_take_one_call(bot: Bot, exchange: StandInExchange) -> None:
    profit = bot.get("profit")
    [call] = price_calls(exchange)
    assert call.path == TICKERS
    assert len(call.symbols) == 120
    assert profit["profit_all_coin"] == pytest.approx(
        sum(
            10 / (1 + n / 10) * (ask * 0.999 - (1 + n / 10) * 1.001)
            for n, ask in enumerate(asks(exchange).values())
        )
    )


def test_no_call_while_the_rates_are_known(bot: Bot, exchange: StandInExchange) -> None:
    first = bot.get("profit")
    exchange.clear_calls()
    assert bot.get("profit")["profit_all_coin"] == first["profit_all_coin"]
    assert rates(bot) == pytest.approx(asks(exchange))
    assert price_calls(exchange) == []


def test_no_rate_is_older_than_the_ttl(bot: Bot, exchange: StandInExchange) -> None:
    old = rates(bot)
    raise_prices(exchange)
    exchange.clear_calls()
    # The clock goes on by itself, too.
    bot.shift(TTL - 60)
    assert rates(bot) == old
    assert price_calls(exchange) == []
    bot.shift(60)
    assert rates(bot) == pytest.approx(asks(exchange))
    assert len(price_calls(exchange)) == 1


def test_each_ttl_takes_one_call(bot: Bot, exchange: StandInExchange) -> None:
    for _ in range(5):
        raise_prices(exchange)
        bot.shift(TTL)
        assert rates(bot) == pytest.approx(asks(exchange))
        bot.get("profit")
    assert len(price_calls(exchange)) == 5


def test_delisted_pairs_cost_nothing_the_second_time(bot: Bot, exchange: StandInExchange) -> None:
    traded = asks(exchange)
    delisted = list(traded)[7:27]
    exchange.market.delist(*delisted)
    expected = {pair: None if pair in delisted else rate for pair, rate in traded.items()}

    assert bot.get("profit")["profit_all_coin"] is None
    # Once by name, once without names, and each of the delisted by itself, once.
    assert [len(call.symbols) for call in price_calls(exchange)] == [120, 0, *[1] * 20]
    exchange.clear_calls()
    assert bot.get("profit")["profit_all_coin"] is None
    assert rates(bot) == pytest.approx(expected)
    assert price_calls(exchange) == []


def test_delisted_pairs_are_asked_for_again_after_the_error_ttl(
    bot: Bot, exchange: StandInExchange
) -> None:
    delisted = list(exchange.market.pairs)[:20]
    exchange.market.delist(*delisted)
    bot.get("profit")
    exchange.clear_calls()
    bot.shift(ERROR_TTL)
    bot.get("profit")
    again = sorted(symbol for call in price_calls(exchange) for symbol in call.symbols)
    assert again == sorted(pair.replace("/", "") for pair in delisted)


def test_relisted_pairs_have_rates_after_the_error_ttl(bot: Bot, exchange: StandInExchange) -> None:
    delisted = list(exchange.market.pairs)[:20]
    exchange.market.delist(*delisted)
    assert list(rates(bot).values()).count(None) == 20
    exchange.market.relist(*delisted)
    assert list(rates(bot).values()).count(None) == 20
    bot.shift(ERROR_TTL)
    assert rates(bot) == pytest.approx(asks(exchange))
    exchange.clear_calls()
    # And they are asked for together with the others again.
    bot.shift(TTL)
    bot.get("profit")
    assert [len(call.symbols) for call in price_calls(exchange)] == [120]


def test_an_exchange_that_fails_gives_no_rate_until_the_error_ttl_is_over(
    bot: Bot, exchange: StandInExchange
) -> None:
    exchange.fail()
    assert set(rates(bot).values()) == {None}
    exchange.clear_calls()
    assert bot.get("profit")["profit_all_coin"] is None
    assert price_calls(exchange) == []
    exchange.heal()
    bot.shift(ERROR_TTL)
    assert rates(bot) == pytest.approx(asks(exchange))
