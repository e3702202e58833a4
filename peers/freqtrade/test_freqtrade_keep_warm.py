"""The rates of open trades are renewed before they expire, as long as the bot runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from peers.freqtrade.bot import Bot, bot_on, price_calls, until
from sluicegate.testing import Price, StandInExchange

TTL = 300
TRADES = 50
# It looks every twentieth of the error TTL at what is due, by a clock that is not moved.
SETTINGS = {"keep_warm": True, "ttl": TTL, "error_ttl": 1}


@pytest.fixture(scope="module")
def running_bot(
    running_exchange: StandInExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("keep-warm")
    with bot_on(running_exchange, folder, SETTINGS, trades=TRADES) as bot:
        yield bot


@pytest.fixture
def bot(running_bot: Bot, exchange: StandInExchange) -> Bot:
    """A bot with open trades whose rates were loaded once, when it began."""
    bot = running_bot
    bot.reload(sluicegate=SETTINGS)
    wait_for_calls(exchange, 1)
    # Not before they are stored.
    assert None not in rates(bot)
    return bot


def wait_for_calls(exchange: StandInExchange, count: int) -> None:
    until(lambda: len(price_calls(exchange)) >= count, "the rates are renewed")


def rates(bot: Bot) -> list[float]:
    return [trade["current_rate"] for trade in bot.get("status")]


def test_rates_are_renewed_in_one_call_before_they_expire(
    bot: Bot, exchange: StandInExchange
) -> None:
    market = exchange.market
    for step in range(1, 15):
        market.set_prices({pair: Price(1_000 * step + n) for n, pair in enumerate(market.pairs)})
        exchange.clear_calls()
        # 50 seconds before the end, so that it is due: an hour in all.
        bot.shift(TTL - 50)
        until(lambda: rates(bot)[0] > 1_000 * step, "the rates are renewed")  # noqa: B023
        assert rates(bot) == pytest.approx(
            [market.price(pair).ask for pair in market.pairs[:TRADES]]
        )
        bot.get("profit")
        assert [len(call.symbols) for call in price_calls(exchange)] == [TRADES]


def test_an_hour_of_silence_is_made_up_for_at_once(bot: Bot, exchange: StandInExchange) -> None:
    exchange.clear_calls()
    bot.shift(3_600)
    wait_for_calls(exchange, 1)
    assert None not in rates(bot)
    bot.get("profit")
    assert [len(call.symbols) for call in price_calls(exchange)] == [TRADES]


def test_it_goes_on_with_the_new_bot_after_reloading_the_config(
    bot: Bot, exchange: StandInExchange
) -> None:
    for _ in range(2):
        exchange.clear_calls()
        bot.reload()
        wait_for_calls(exchange, 1)
        assert bot.tell("threads").count("sluicegate-rates") == 1
        # Time moves when they are stored, as above.
        assert None not in rates(bot)
    exchange.clear_calls()
    bot.shift(TTL - 50)
    wait_for_calls(exchange, 1)
    assert None not in rates(bot)
    # One bot renews, not three.
    assert len(price_calls(exchange)) == 1


def test_it_ends_when_reloading_turns_it_off(bot: Bot, exchange: StandInExchange) -> None:
    bot.reload(sluicegate={**SETTINGS, "keep_warm": False})
    assert None not in rates(bot)
    exchange.clear_calls()
    bot.shift(TTL - 50)
    # It would look many times as often while these are answered.
    for _ in range(10):
        assert None not in rates(bot)
    assert price_calls(exchange) == []
    bot.shift(50)
    assert None not in rates(bot)
    assert len(price_calls(exchange)) == 1


def test_pairs_without_a_rate_are_tried_again(bot: Bot, exchange: StandInExchange) -> None:
    delisted = exchange.market.pairs[:20]
    exchange.market.delist(*delisted)
    bot.shift(TTL)
    until(lambda: rates(bot).count(None) == 20, "it is known that 20 are delisted")
    exchange.market.relist(*delisted)
    exchange.clear_calls()
    bot.shift(1)
    # Nobody else asks.
    wait_for_calls(exchange, 1)
    until(lambda: rates(bot).count(None) == 0, "all have rates again")


def test_it_ends_with_the_bot(bot: Bot, exchange: StandInExchange) -> None:
    """The last of these tests: it ends the bot that they share."""
    exchange.clear_calls()
    bot.quit()
    assert price_calls(exchange) == []
    assert "Traceback" not in bot.log()
