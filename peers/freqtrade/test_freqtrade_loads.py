"""How rates are loaded: which callers wait, how many requests are sent, what is remembered."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.exceptions import ExchangeError, FreqtradeException, PricingError, TemporaryError

from peers.freqtrade.bot import until
from peers.freqtrade.fake_exchange import (
    DELISTED,
    FIRST,
    LAST,
    PAIRS,
    SECOND,
    FakeApi,
    failures,
    happen,
)
from sluicegate.freqtrade.hooks import _of_reports
from sluicegate.freqtrade.pace import Pace

REPORTS = ("_rpc_trade_status", "_rpc_trade_statistics")

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
    bot.run(happen(loaded))
    waiting.join()


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


@pytest.mark.parametrize("name", REPORTS)
def test_freqtrades_reports_begin_a_load_and_take_turns(api: FakeApi, make: Any, name: str) -> None:
    bot = make()
    bot.rates.note_open_trades()
    running = SimpleNamespace(rates=bot.rates)
    rpc = SimpleNamespace(_freqtrade=SimpleNamespace(exchange=SimpleNamespace(_sluicegate=running)))

    def own(self: Any, *args: Any, **more: Any) -> Any:
        assert self is rpc
        until(lambda: api.calls != [], "it is asked before the report reads anything")
        return bot.rates.turns._lock.locked(), args, more

    report = _of_reports({("RPC", each): own for each in REPORTS})["RPC", name]
    assert report(rpc, "USDT", fiat="USD") == (True, ("USDT",), {"fiat": "USD"})
    assert not bot.rates.turns._lock.locked()


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
        patch.setattr("sluicegate.freqtrade.pace.asyncio.sleep", sleep)
        asyncio.run(ask())
    assert slept == pytest.approx([0.8, 0.85])


def test_the_questions_of_many_keep_that_pace(api: FakeApi, make: Any) -> None:
    make().rate(FIRST)
    assert isinstance(api.throttle, Pace)


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
