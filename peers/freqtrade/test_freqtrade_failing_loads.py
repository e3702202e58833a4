"""Loads that fail: how many requests are sent then, and which callers wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import ccxt
import pytest
from freqtrade.exceptions import TemporaryError
from freqtrade.exchange.common import API_RETRY_COUNT

from peers.freqtrade.bot import until
from peers.freqtrade.fake_exchange import (
    BANNED,
    DELISTED,
    DOWN,
    FIRST,
    LAST,
    PAIRS,
    SECOND,
    FakeApi,
    failures,
    happen,
    renew,
)

# ---- when the call for many fails


def test_an_odd_row_costs_nobody_his_rate(api: FakeApi, make: Any) -> None:
    odd = KeyError("bidPrice")
    api.named = api.prices[FIRST] = api.prices[SECOND] = odd
    bot = make()
    assert bot.rate(LAST) == 129.0
    assert failures(bot, PAIRS) == {FIRST: odd, SECOND: odd}
    assert len(api.asked("many")) == 1


@pytest.mark.parametrize(
    "error", [ccxt.RequestTimeout("too much"), ccxt.BadResponse("cut off"), ccxt.ExchangeError("?")]
)
def test_pairs_are_asked_for_one_by_one_where_only_the_call_for_many_fails(
    api: FakeApi, make: Any, error: Exception
) -> None:
    api.named = api.unnamed = error
    bot = make(ttl=1)
    assert failures(bot, PAIRS) == {}
    many = len(api.asked("many"))
    bot.rates.exit.clear()
    assert failures(bot, PAIRS) == {}
    assert len(api.asked("many")) == many  # It is not tried again for a while.


def test_pairs_have_rates_though_the_first_is_delisted_and_names_are_needed(
    api: FakeApi, make: Any
) -> None:
    api.prices[FIRST] = api.named = DELISTED
    api.unnamed = ccxt.ArgumentsRequired("symbols")
    assert failures(make(), PAIRS).keys() == {FIRST}


def test_a_delisted_pair_is_asked_for_alone_from_then_on(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = DELISTED
    bot = make()
    api.named = DELISTED
    assert failures(bot, PAIRS).keys() == {FIRST}
    api.named = None
    api.calls.clear()
    bot.rates.exit.clear()
    bot.rates.exit.forget_errors()
    assert failures(bot, PAIRS).keys() == {FIRST}
    assert api.calls == [("many", tuple(PAIRS[1:])), ("one", (FIRST,))]


# ---- when nothing is answered


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("error", [DOWN, BANNED, ccxt.ExchangeNotAvailable("maintenance")])
def test_an_outage_is_not_met_by_a_storm(
    api: FakeApi, make: Any, deep: bool, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("quotes", "trouble"):
        monkeypatch.setattr(f"sluicegate.freqtrade.{module}.calculate_backoff", lambda *_: 0)
    api.prices = dict.fromkeys(PAIRS, error)
    api.named = api.unnamed = error
    bot = make(deep=deep)
    found = failures(bot, PAIRS)
    assert found.keys() == set(PAIRS)
    assert all(isinstance(each, TemporaryError) for each in found.values())
    # Freqtrade itself asks 5 times for each of them.
    assert len(api.calls) <= 40


def test_an_exchange_that_refuses_everything_is_asked_a_few_times(api: FakeApi, make: Any) -> None:
    error = ccxt.ExchangeError("system upgrading")
    api.prices = dict.fromkeys(PAIRS, error)
    api.named = api.unnamed = error
    bot = make()
    assert failures(bot, PAIRS).keys() == set(PAIRS)
    assert len(api.calls) <= 5
    # And when it is back, all are asked for in one call, as ever.
    api.named = api.unnamed = None
    api.prices = dict.fromkeys(PAIRS, 1.0)
    api.calls.clear()
    bot.rates.exit.forget_errors()
    assert failures(bot, PAIRS) == {}
    assert len(api.calls) == 1


@pytest.mark.parametrize("deep", [False, True])
def test_the_background_asks_once(api: FakeApi, make: Any, deep: bool) -> None:
    api.prices = dict.fromkeys(PAIRS, DOWN)
    api.named = api.unnamed = DOWN
    bot = make(deep=deep)
    assert renew(bot) is False
    assert len(api.calls) <= 26
    assert len(set(api.calls)) == len(api.calls)
    api.calls.clear()
    assert renew(bot) is False
    assert api.calls == []  # Nothing is asked again so soon.


def test_who_waits_is_not_given_what_the_background_asked_only_once(
    api: FakeApi, make: Any
) -> None:
    api.named = api.unnamed = BANNED
    bot = make()
    assert renew(bot) is False
    api.named = api.unnamed = None
    assert failures(bot, PAIRS) == {}


def test_who_joins_a_load_of_the_backgrounds_asks_again_himself(api: FakeApi, make: Any) -> None:
    answer = asyncio.Event()

    async def once_down() -> float:
        await answer.wait()
        api.prices[FIRST] = 5.0
        raise DOWN

    api.prices = {FIRST: once_down}
    bot = make()
    bot.rates.note_open_trades()
    bot.rates.background.start(bot.rates.renew())
    until(lambda: api.calls != [], "the background asks")
    rates: list[float] = []
    reader = threading.Thread(target=lambda: rates.append(bot.rate(FIRST)))
    reader.start()
    until(lambda: bot.rates.exit.stats().misses, "somebody waits for it")
    bot.run(happen(answer))
    reader.join()
    assert rates == [5.0]


@pytest.mark.parametrize("rules", [[], [["rate", "*", 5, "1s", "delay"]]])
def test_a_few_pairs_that_always_fail_cost_no_other_its_rate(
    api: FakeApi, make: Any, rules: list[Any]
) -> None:
    for pair in PAIRS[:5]:
        api.prices[pair] = ccxt.ExchangeNotAvailable("503")
    assert failures(make(deep=True, limits=rules), PAIRS).keys() == set(PAIRS[:5])


def test_a_refusal_is_waited_out_and_the_rest_goes_one_at_a_time(
    api: FakeApi, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(
        "sluicegate.freqtrade.trouble.calculate_backoff", lambda *args: pauses.append(0) or 0
    )
    room = [5]

    def limited() -> float:
        if not room[0]:
            room[0] = 5
            raise BANNED
        room[0] -= 1
        return 1.0

    api.prices = dict.fromkeys(PAIRS, limited)
    assert failures(make(deep=True), PAIRS) == {}
    assert len(pauses) > API_RETRY_COUNT  # Not in a row: it goes on.


def test_keep_warm_does_not_wait_for_a_pair_that_is_not_answered(api: FakeApi, make: Any) -> None:
    never = asyncio.Event()
    api.prices[FIRST] = never.wait
    api.named = DELISTED
    assert renew(make(ttl=1)) is True


def test_an_odd_shape_of_the_answer_is_not_asked_for_again_at_once(api: FakeApi, make: Any) -> None:
    api.fetch_tickers = odd = OddTickers()  # type: ignore[method-assign, assignment]
    api.prices[FIRST] = api.prices[SECOND] = KeyError("bidPrice")
    assert failures(make(), PAIRS).keys() == {FIRST, SECOND}
    assert odd.calls == 1


class OddTickers:
    """Answers with a list, where ccxt has a dict."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, symbols: list[str] | None = None) -> Any:
        self.calls += 1
        return []


def test_renewing_is_well_when_something_was_renewed(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = DELISTED
    api.named = DELISTED
    assert renew(make()) is True


def test_under_rules_of_the_users_one_question_is_asked_at_a_time(api: FakeApi, make: Any) -> None:
    at_once: list[int] = []
    under_way: set[str] = set()

    def held(pair: str) -> Any:
        async def answer() -> float:
            under_way.add(pair)
            at_once.append(len(under_way))
            await asyncio.sleep(0)
            under_way.remove(pair)
            return 1.0

        return answer

    api.prices = {pair: held(pair) for pair in PAIRS}
    assert renew(make(deep=True, limits=[["rate", "*", 5, "1s", "delay"]])) is True
    assert set(at_once) == {1}
