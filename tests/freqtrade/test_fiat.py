"""Fiat prices beside a bot: one load for all who wait, renewed before anybody waits again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from sluicegate.freqtrade.fiat import AHEAD, TTL, FiatPrices
from tests.helpers.threads import PATIENCE, Thread, error_of, until

ERROR_TTL = 60.0


class Converter:
    """Freqtrade's, as far as it matters: it caches, and asks CoinGecko."""

    def __init__(self) -> None:
        self._pair_price: dict[str, float] = {}
        self.answer: float | Exception = 97_000.0
        self.asked: list[tuple[str, str]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def find_price(self, coin: str, currency: str) -> float:
        self.asked.append((coin, currency))
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def get_price(converter: Any, coin: str, currency: str) -> float:
    """Freqtrade's own method, as it is."""
    if currency == "xxx":
        raise ValueError(f"The fiat {currency} is not supported.")
    symbol = f"{coin}/{currency}"
    price: float | None = converter._pair_price.get(symbol, None)
    if not price:
        price = converter.find_price(coin, currency)
        converter._pair_price[symbol] = price
    return price or 0.0


class Time:
    """The machine's clock, which tests move."""

    def __init__(self) -> None:
        self.now = 1_000.0


@pytest.fixture
def time() -> Iterator[Time]:
    time = Time()
    clocks = SimpleNamespace(monotonic=lambda: time.now, time=lambda: time.now)
    with patch("sluicegate.freqtrade.age.time", clocks):
        yield time


@pytest.fixture
def converter() -> Converter:
    return Converter()


@pytest.fixture
def prices(converter: Converter, time: Time) -> Iterator[FiatPrices]:
    prices = FiatPrices(converter, get_price, ERROR_TTL)
    yield prices
    prices.stop()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sluicegate-fiat"]


# -- asking ---------------------------------------------------------------------------------------


def test_the_first_price_is_waited_for_and_the_next_is_there(
    prices: FiatPrices, converter: Converter
) -> None:
    assert prices.price("BTC", "USD") == 97_000
    assert prices.price("btc", "usd") == 97_000
    assert converter.asked == [("btc", "usd")]


def test_each_pair_has_a_price_of_its_own(prices: FiatPrices, converter: Converter) -> None:
    prices.price("BTC", "USD")
    converter.answer = 89_000.0
    assert prices.price("BTC", "EUR") == 89_000
    assert prices.price("BTC", "USD") == 97_000


def test_all_who_ask_at_once_share_one_load(prices: FiatPrices, converter: Converter) -> None:
    converter.go_on.clear()
    asking = [Thread(prices.price, "BTC", "USD") for _ in range(8)]
    until(lambda: prices.cache.stats().joined == 7)
    converter.go_on.set()
    assert [one.outcome() for one in asking] == [97_000] * 8
    assert converter.asked == [("btc", "usd")]


def test_who_asks_for_another_pair_does_not_stand_in_line(
    prices: FiatPrices, converter: Converter
) -> None:
    prices.price("ETH", "USD")
    converter.go_on.clear()
    converter.entered.clear()
    asking = Thread(prices.price, "BTC", "USD")
    assert converter.entered.wait(PATIENCE)
    assert prices.price("ETH", "USD") == 97_000
    converter.go_on.set()
    asking.outcome()


# -- renewing -------------------------------------------------------------------------------------


def test_a_price_is_renewed_ahead_of_its_end(
    prices: FiatPrices, converter: Converter, time: Time
) -> None:
    prices.price("BTC", "USD")
    converter.answer = 98_000.0
    time.now += TTL - AHEAD
    prices.renew()
    assert len(converter.asked) == 1
    time.now += 1
    prices.renew()
    assert len(converter.asked) == 2
    time.now += AHEAD
    assert prices.price("BTC", "USD") == 98_000
    assert len(converter.asked) == 2


def test_only_what_was_asked_for_is_renewed(prices: FiatPrices, converter: Converter) -> None:
    prices.renew()
    assert converter.asked == []


def test_a_price_goes_on_while_it_cannot_be_renewed(
    prices: FiatPrices, converter: Converter, time: Time
) -> None:
    prices.price("BTC", "USD")
    converter.answer = 0.0
    time.now += TTL - 1
    prices.renew()
    assert prices.price("BTC", "USD") == 97_000
    # Not for longer than it is good.
    time.now += 1
    assert prices.price("BTC", "USD") == 0
    assert len(converter.asked) == 2


# -- failing --------------------------------------------------------------------------------------


def test_a_price_that_cannot_be_had_is_0_at_once_and_tried_again_later(
    prices: FiatPrices, converter: Converter, time: Time
) -> None:
    converter.answer = 0.0
    assert prices.price("BTC", "USD") == 0
    converter.go_on.clear()  # a thread that asked CoinGecko now would wait
    assert prices.price("BTC", "USD") == 0
    time.now += ERROR_TTL - 1
    prices.renew()
    assert len(converter.asked) == 1
    converter.go_on.set()
    converter.answer = 97_000.0
    time.now += 1
    prices.renew()
    assert prices.price("BTC", "USD") == 97_000
    assert len(converter.asked) == 2


def test_nobody_waits_while_a_price_is_tried_again(
    prices: FiatPrices, converter: Converter, time: Time
) -> None:
    converter.answer = 0.0
    prices.start()
    prices.price("BTC", "USD")
    time.now += ERROR_TTL
    converter.go_on.clear()
    converter.entered.clear()
    renewing = Thread(prices.renew)
    assert converter.entered.wait(PATIENCE)
    assert prices.price("BTC", "USD") == 0
    converter.go_on.set()
    renewing.outcome()
    prices.stop()


def test_a_price_that_expired_while_the_machine_slept_is_waited_for(
    prices: FiatPrices, converter: Converter, time: Time
) -> None:
    prices.start()
    prices.price("BTC", "USD")
    time.now += 7 * 3_600
    assert prices.price("BTC", "USD") == 97_000
    prices.stop()


def test_a_currency_that_is_not_supported_is_an_error_each_time(
    prices: FiatPrices, converter: Converter
) -> None:
    for _ in range(3):
        error = error_of(prices.price, "BTC", "XXX")
        assert type(error) is ValueError
        assert str(error) == "The fiat xxx is not supported."
    prices.renew()
    assert converter.asked == []


def test_what_the_converter_raises_is_raised_until_there_is_a_price(
    prices: FiatPrices, converter: Converter
) -> None:
    converter.answer = OSError("no")
    for _ in range(2):
        assert error_of(prices.price, "BTC", "USD") is converter.answer
    converter.answer = 97_000.0
    assert prices.price("BTC", "USD") == 97_000


# -- the thread -----------------------------------------------------------------------------------


def test_a_pair_that_will_be_asked_for_is_loaded_when_it_starts(
    prices: FiatPrices, converter: Converter
) -> None:
    prices.start("BTC", "USD")
    until(lambda: len(prices.cache) == 1)
    assert converter.asked == [("btc", "usd")]
    assert threads()[0].daemon


@pytest.mark.parametrize("pair", [(), ("BTC",), ("BTC", None), (None, "USD"), ("", "USD")])
def test_nothing_is_loaded_when_nothing_is_known_of_what_will_be_asked_for(
    prices: FiatPrices, converter: Converter, caplog: pytest.LogCaptureFixture, pair: Any
) -> None:
    prices.start(*pair)
    prices.stop()
    until(lambda: threads() == [])
    assert (converter.asked, caplog.messages) == ([], [])


def test_the_thread_renews_what_is_due(converter: Converter, time: Time) -> None:
    prices = FiatPrices(converter, get_price, error_ttl=0.02)  # and looks every millisecond
    prices.price("BTC", "USD")
    prices.start()
    converter.answer = 98_000.0
    time.now += TTL - AHEAD + 1
    until(lambda: prices.price("BTC", "USD") == 98_000)
    prices.stop()
    until(lambda: threads() == [])


def test_the_thread_survives_what_the_converter_raises(
    converter: Converter, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    prices = FiatPrices(converter, get_price, error_ttl=0.02)
    converter.answer = OSError("no")
    prices.start("BTC", "USD")
    until(lambda: "could not renew fiat prices; trying again" in caplog.messages)
    converter.answer = 97_000.0
    assert prices.price("BTC", "USD") == 97_000
    converter.answer = 98_000.0
    time.now += TTL - AHEAD + 1
    until(lambda: prices.price("BTC", "USD") == 98_000)
    prices.stop()
    until(lambda: threads() == [])


def test_it_starts_once_and_stops_at_once(prices: FiatPrices) -> None:
    for _ in range(3):
        prices.start()
    assert len(threads()) == 1
    # Its next look at what is due is seconds away.
    prices.stop()
    prices.stop()
    until(lambda: threads() == [])


def test_it_stops_after_what_it_is_doing_and_may_start_again(
    prices: FiatPrices, converter: Converter
) -> None:
    converter.go_on.clear()
    prices.start("BTC", "USD")
    assert converter.entered.wait(PATIENCE)
    prices.stop()
    prices.start("BTC", "USD")
    assert len(threads()) == 2
    converter.go_on.set()
    until(lambda: len(threads()) == 1)
    prices.stop()
    until(lambda: threads() == [])
    assert converter.asked == [("btc", "usd")]


def test_starting_and_stopping_from_many_threads_leaves_nothing_behind(prices: FiatPrices) -> None:
    def work() -> None:
        for _ in range(50):
            prices.start()
            prices.stop()

    working = [Thread(work) for _ in range(4)]
    for one in working:
        one.outcome()
    prices.stop()
    until(lambda: threads() == [])
