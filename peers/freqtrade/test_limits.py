"""The config's `limits`, on the ccxt objects of a real bot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from peers.freqtrade.bot import Bot, configuration
from sluicegate.testing import Call, Market, StandInExchange

CANDLES, TICKERS = "/api/v3/klines", "/api/v3/ticker/24hr"
PAIRS = 12


@pytest.fixture
def exchange() -> Iterator[StandInExchange]:
    with StandInExchange(market=Market.of_size(PAIRS)) as exchange:
        yield exchange


def bot_with(folder: Path, exchange: StandInExchange, settings: dict[str, Any]) -> Bot:
    """A bot with a trade open in each pair: its loop looks at all of them in each round."""
    config = configuration(
        folder,
        exchange.url,
        exchange.market.pairs,
        {"keep_warm": False, **settings},
        initial_state="running",
        fiat_display_currency="",
    )
    return Bot(folder, config, "--trades", str(PAIRS))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def one_line(bot: Bot) -> str:
    """The log, which breaks long lines."""
    return " ".join(bot.log().split())


def of_one_pair(calls: list[Call]) -> list[Call]:
    return [call for call in calls if len(call.symbols) == 1]


def test_rules_hold_on_the_synchronous_and_the_asynchronous_object(
    tmp_path: Path, exchange: StandInExchange
) -> None:
    rules = [["rate", "GetTicker", 5, "1s", "delay"], ["rate", "fetch_ohlcv", 4, "1s", "delay"]]
    # So counted, the server never sees more, however long requests take to arrive.
    with bot_with(tmp_path, exchange, {"limits": rules, "hold": "response"}) as bot:
        wait_for(lambda: len(of_one_pair(exchange.calls(TICKERS))) >= PAIRS)
    assert re.search(r"limits: \d+ calls were delayed \(.*\), by [\d.]+ s in all", one_line(bot))
    for path, most in ((TICKERS, 5), (CANDLES, 4)):
        arrivals = [call.at for call in of_one_pair(exchange.calls(path))]
        assert len(arrivals) >= PAIRS
        spans = [late - early for early, late in zip(arrivals, arrivals[most:], strict=False)]
        assert min(spans) >= 1


def test_a_call_over_a_rule_without_delay_is_not_sent_and_the_bot_goes_on(
    tmp_path: Path, exchange: StandInExchange
) -> None:
    settings = {"limits": [["quota", "GetTicker", 3, "1d"]], "log_interval": 2}
    with bot_with(tmp_path, exchange, settings) as bot:
        wait_for(lambda: "DDosProtection backoff" in bot.log())
        wait_for(lambda: re.search(r"limits: \d+ calls? (was|were) not sent", bot.log()))
        assert bot.get("show_config")["state"] == "running"
    # The exception tells Freqtrade, and a summary tells its user: not a line for each.
    assert "sluicegate.exchange" not in bot.log()
    sent = len(of_one_pair(exchange.calls(TICKERS)))
    # A day may have ended meanwhile.
    assert 3 <= sent <= 6
    assert "fetch_ticker was not sent: over the limit of" in one_line(bot)


def test_the_log_names_the_limit_that_calls_wait_for(
    tmp_path: Path, exchange: StandInExchange
) -> None:
    settings = {"limits": [["rate", "GetTicker", 1, "1h", "delay"]], "log_interval": 2}
    line = (
        r"limits: 1 of 1 units of rate:GetTicker are used; \d+ requests? waits? now, the first for"
    )
    bot = bot_with(tmp_path, exchange, settings)
    bot.start()
    wait_for(lambda: re.search(line, one_line(bot)) is not None)
    bot.interrupt()
    bot.wait()


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([["rate", "GetTikcer", 10, "1s", "delay"]], r"rule 1, .*'GetTikcer'.*did you mean"),
        ([["rate", "GetTicker", 0, "1s", "delay"]], r"rule 1, .* not 0"),
        ([["rate", "GetTicker", 1, "1s"], ["speed", "GetTicker", 1, "1s"]], r"rule 2 .*'speed'"),
    ],
)
def test_a_rule_that_cannot_be_is_one_clear_error_at_start_up(
    tmp_path: Path, exchange: StandInExchange, rules: list[Any], why: str
) -> None:
    bot = bot_with(tmp_path, exchange, {"limits": rules})
    bot.start()
    bot.wait()
    log = " ".join(bot.log().split())  # It breaks long lines.
    assert re.search(rf'Configuration error: "sluicegate": limits: {why}', log)
    assert "Traceback" not in log


def test_a_rule_is_one_budget_of_two_bots(tmp_path: Path, exchange: StandInExchange) -> None:
    settings = {
        "limits": [["rate", "fetch_ticker", 6, "1s", "delay"], ["quota", "GetTicker", 30, "1d"]],
        "hold": "response",
        "share": f"sqlite:///{tmp_path}/budget.db",
    }
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        bot_with(folders[0], exchange, settings) as one,
        bot_with(folders[1], exchange, settings) as two,
    ):
        wait_for(lambda: len(of_one_pair(exchange.calls(TICKERS))) >= 30)
        bots = [one, two]
        wait_for(lambda: all("fetch_ticker was not sent" in one_line(bot) for bot in bots))
    arrivals = sorted(call.at for call in of_one_pair(exchange.calls(TICKERS)))
    # A day may have ended meanwhile.
    assert 30 <= len(arrivals) <= 60
    spans = [late - early for early, late in zip(arrivals, arrivals[6:], strict=False)]
    assert min(spans) >= 1


def test_a_store_that_cannot_be_used_is_one_clear_error_at_start_up(
    tmp_path: Path, exchange: StandInExchange
) -> None:
    rules = [["rate", "GetTicker", 10, "1s", "delay"]]
    store = f"sqlite:///{tmp_path}/no/such/folder/budget.db"
    bot = bot_with(tmp_path, exchange, {"limits": rules, "share": store})
    bot.start()
    bot.wait()
    log = one_line(bot)
    assert re.search(r'Configuration error: "sluicegate": share: .*Create the folder first', log)
    assert "Traceback" not in log
