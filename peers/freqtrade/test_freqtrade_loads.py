"""How rates are loaded: who waits for whom, how often is asked, and what is remembered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from freqtrade.exceptions import ExchangeError, FreqtradeException, PricingError, TemporaryError
from freqtrade.exchange.common import API_RETRY_COUNT

from peers.freqtrade.bot import until
from peers.freqtrade.fake_exchange import FakeApi, FakeBot
from sluicegate.freqtrade.quotes import Pace

PAIRS = [f"COIN{number}/USDT" for number in range(120)]
FIRST, SECOND, LAST = PAIRS[0], PAIRS[1], PAIRS[-1]

DELISTED = ccxt.BadSymbol("Invalid symbol.")
DOWN = ccxt.NetworkError("no route")
BANNED = ccxt.DDoSProtection("418")


@pytest.fixture
def api() -> FakeApi:
    return FakeApi({pair: 10.0 + number for number, pair in enumerate(PAIRS)})


@pytest.fixture
def bots() -> Iterator[list[FakeBot]]:
    made: list[FakeBot] = []
    yield made
    for bot in made:
        bot.rates.close()


@pytest.fixture
def make(api: FakeApi, bots: list[FakeBot]) -> Any:
    def make(**options: Any) -> FakeBot:
        bots.append(FakeBot(api, **options))
        return bots[-1]

    return make


def failures(bot: FakeBot, pairs: list[str]) -> dict[str, Exception]:
    found = {}
    for pair in pairs:
        try:
            bot.rate(pair)
        except Exception as error:
            found[pair] = error
    return found


def renew(bot: FakeBot) -> Any:
    bot.rates.note_open_trades()
    return bot.run(bot.rates.renew())


# ---- who waits for whom


@pytest.mark.parametrize("deep", [False, True])
def test_a_pair_that_is_not_answered_keeps_no_other_waiting(
    api: FakeApi, make: Any, deep: bool
) -> None:
    never = asyncio.Event()
    api.prices[FIRST] = never.wait
    api.named = DELISTED
    bot = make(deep=deep)
    assert [bot.rate(pair) for pair in PAIRS[1:]] == [10.0 + n for n in range(1, len(PAIRS))]


def test_each_pair_is_asked_for_once_however_many_wait(api: FakeApi, make: Any) -> None:
    bot = make(deep=True)
    threads = [threading.Thread(target=lambda: [bot.rate(p) for p in PAIRS]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(api.asked("one")) == sorted((pair,) for pair in PAIRS)


def test_nobody_waits_for_the_turn_of_one_who_waits_for_the_exchange(
    api: FakeApi, make: Any
) -> None:
    loaded, reported = asyncio.Event(), threading.Event()
    api.named = loaded.wait
    bot = make()

    def report() -> None:
        with bot.rates.report():
            reported.set()

    def report_with_rates() -> None:
        with bot.rates.report():
            bot.rate(FIRST)

    waiting = threading.Thread(target=report_with_rates)
    waiting.start()
    until(lambda: api.calls != [], "one waits for the exchange")
    other = threading.Thread(target=report)
    other.start()
    assert reported.wait(30)
    other.join()
    bot.run(_set(loaded))
    waiting.join()


async def _set(event: asyncio.Event) -> None:
    event.set()


def test_an_entry_rate_is_asked_for_alone_and_by_freqtrade_itself(api: FakeApi, make: Any) -> None:
    bot = make()
    assert bot.rate(SECOND, "entry") == 11.0
    assert (bot.own, api.calls) == ([SECOND], [])


def test_the_bots_loop_asks_for_itself_and_has_the_others_loaded(api: FakeApi, make: Any) -> None:
    bot = make()
    with bot.rates.bots_work():
        assert bot.rate(FIRST) == 10.0
    until(lambda: bot.rates.exit.get(LAST) is not None, "the others are loaded")
    assert (bot.own, api.calls) == ([FIRST], [("many", tuple(PAIRS[1:]))])


def test_the_bots_loop_gets_no_remembered_error(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = DELISTED
    bot = make()
    assert isinstance(failures(bot, [FIRST])[FIRST], TemporaryError)
    api.prices[FIRST] = 9.0
    with bot.rates.bots_work():
        assert bot.rate(FIRST) == 9.0


def test_what_a_report_will_read_is_loaded_while_it_looks_for_it(api: FakeApi, make: Any) -> None:
    bot = make()
    bot.rates.note_open_trades()
    with bot.rates.report(), bot.rates.report():
        assert [bot.rate(pair) for pair in PAIRS] == list(api.prices.values())
    with bot.rates.report():
        pass
    assert api.calls == [("many", tuple(PAIRS))]


def test_a_remembered_error_costs_no_look_at_the_database(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = DELISTED
    bot = make(batch=1)
    looks: list[None] = []
    bot.rates._open_trades = lambda: looks.append(None) or bot.trades
    for _ in range(3):
        assert failures(bot, [FIRST]).keys() == {FIRST}
    assert len(looks) == 1


# ---- how often is asked


def test_questions_are_as_far_apart_as_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def ask() -> None:
        now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        pace = Pace(SimpleNamespace(rateLimit=50))
        for cost in (16.0, 1.0, None):
            await pace(cost)
        now += 1.0  # The time in which nobody asks counts, too.
        await pace(1.0)

    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.freqtrade.quotes.asyncio.sleep", sleep)
        asyncio.run(ask())
    assert slept == pytest.approx([0.8, 0.85])


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
    monkeypatch.setattr("sluicegate.freqtrade.quotes.calculate_backoff", lambda *_: 0)
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
    bot.run(_set(answer))
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
        "sluicegate.freqtrade.quotes.calculate_backoff", lambda *args: pauses.append(0) or 0
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


# ---- what is remembered


def test_each_caller_gets_an_error_of_his_own_that_keeps_nothing_of_others(
    api: FakeApi, make: Any
) -> None:
    api.prices[FIRST] = DELISTED
    bot = make(batch=1)
    first, second = (failures(bot, [FIRST])[FIRST] for _ in range(2))
    assert first is not second
    assert type(first) is type(second) is TemporaryError
    assert str(first) == str(second)
    assert first.__cause__ is second.__cause__ is DELISTED
    kept = bot.rates.exit.error(FIRST)
    assert kept is not None
    assert kept.__traceback__ is None
    assert DELISTED.__traceback__ is None
    assert len([pairs for pairs in api.asked("one") if pairs == (FIRST,)]) == 1


def test_what_is_no_failure_of_the_exchange_is_not_remembered(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = KeyError("bidPrice")
    bot = make(batch=1)
    assert isinstance(failures(bot, [FIRST])[FIRST], KeyError)
    api.prices[FIRST] = 8.0
    assert bot.rate(FIRST) == 8.0


def test_a_pair_without_a_price_is_freqtrades_pricing_error(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = lambda: None
    assert isinstance(failures(make(), [FIRST])[FIRST], PricingError)


def test_an_inactive_pair_is_not_asked_for(api: FakeApi, make: Any) -> None:
    api.markets[FIRST]["active"] = False
    found = failures(make(), PAIRS)
    assert found.keys() == {FIRST}
    assert type(found[FIRST]) is ExchangeError
    assert all(FIRST not in pairs for _, pairs in api.calls)


def test_a_rate_of_0_is_asked_for_again_as_freqtrade_does(api: FakeApi, make: Any) -> None:
    api.prices[FIRST] = 0.0
    bot = make(batch=1)
    assert bot.rate(FIRST) == 0.0
    api.prices[FIRST] = 7.0
    assert bot.rate(FIRST) == 7.0
    assert bot.own == [FIRST]


# ---- at the end


def test_what_is_closed_asks_as_freqtrade_does(api: FakeApi, make: Any) -> None:
    bot = make()
    bot.rates.close()
    assert bot.rate(FIRST) == 10.0
    assert (bot.own, api.calls) == ([FIRST], [])


def test_closing_what_never_ran_starts_nothing(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread))
    make().rates.close()
    assert started == []


def test_errors_are_freqtrades(api: FakeApi, make: Any) -> None:
    api.prices = dict.fromkeys(PAIRS, DELISTED)
    api.named = DELISTED
    found = failures(make(), PAIRS)
    assert all(isinstance(error, FreqtradeException) for error in found.values())
