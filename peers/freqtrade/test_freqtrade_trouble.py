"""An exchange that fails, partly or wholly: no wrong number, no hang, and an end to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from peers.freqtrade.bot import Bot, bot_on, price_calls
from sluicegate.testing import Price, StandInExchange

TTL, ERROR_TTL = 300, 60
TRADES = 40
BOOK = {"price_side": "same", "use_order_book": True, "order_book_top": 3}
TICKERS = {"price_side": "same", "use_order_book": False}


@pytest.fixture(scope="module")
def running_bot(
    running_exchange: StandInExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bot]:
    settings = {"keep_warm": False, "ttl": TTL, "error_ttl": ERROR_TTL}
    folder = tmp_path_factory.mktemp("trouble")
    with bot_on(running_exchange, folder, settings, trades=TRADES) as bot:
        yield bot


@pytest.fixture(params=[TICKERS, BOOK], ids=["tickers", "books"])
def bot(request: pytest.FixtureRequest, running_bot: Bot, exchange: StandInExchange) -> Bot:
    """A bot that asks for all pairs at once, or for each; it knows no rate."""
    if request.node.callspec.id.startswith("books"):
        running_bot.reload(entry_pricing=BOOK, exit_pricing=BOOK)
    running_bot.shift(TTL)
    exchange.reset()
    return running_bot


def rates(bot: Bot) -> dict[str, float | None]:
    return {trade["pair"]: trade["current_rate"] for trade in bot.get("status")}


def set_prices(exchange: StandInExchange, base: float) -> None:
    market = exchange.market
    # Ask and bid are the same: it does not matter here which of them is taken, nor which level.
    market.set_prices({pair: Price(base, base, base) for pair in market.pairs})


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_when_a_share_of_the_requests_fails_no_number_is_wrong(
    share: float, bot: Bot, exchange: StandInExchange
) -> None:
    seen: set[float | None] = set()
    exchange.fail(share=share, seed=7)
    for step in range(8):
        base = 1_000.0 * (step + 1)
        set_prices(exchange, base)
        exchange.reset()
        # Longer than the TTL: whatever is not this step's price is too old.
        bot.shift(TTL)
        found = set(rates(bot).values())
        assert all(rate is None or rate == pytest.approx(base, rel=0.001) for rate in found)
        assert (bot.get("profit")["profit_all_coin"] is None) == (None in found)
        seen |= found
    assert seen != {None}
    exchange.heal()
    bot.shift(ERROR_TTL)
    assert list(rates(bot).values()) == pytest.approx([base] * TRADES, rel=0.001)


@pytest.mark.parametrize("drop", [False, True], ids=["503", "dropped connections"])
def test_when_all_requests_fail_it_is_known_at_once_until_the_error_ttl(
    drop: bool, bot: Bot, exchange: StandInExchange
) -> None:
    set_prices(exchange, 500)
    exchange.fail(drop=drop)
    assert set(rates(bot).values()) == {None}
    exchange.clear_calls()
    assert bot.get("profit")["profit_all_coin"] is None
    assert set(rates(bot).values()) == {None}
    assert price_calls(exchange) == []
    exchange.heal()
    bot.shift(ERROR_TTL)
    assert list(rates(bot).values()) == pytest.approx([500] * TRADES, rel=0.001)
