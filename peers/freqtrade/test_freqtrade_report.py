"""The line in a real bot's log with the hits of the cache."""

from __future__ import annotations

import re
from pathlib import Path

from peers.freqtrade.bot import Bot, bot_on, until
from sluicegate.testing import StandInExchange

TRADES = 5
LINE = re.compile(
    r"sluicegate\.freqtrade - INFO - rates: ([\d,]+) asked for, ([\d.]+)% of them answered from "
    r"the cache; (\d+) exchange calls?(?:, (\d+) saved)?"
)


def lines(bot: Bot) -> list[tuple[str, ...]]:
    return LINE.findall(bot.log())


def test_it_is_logged_every_so_often_and_at_the_end(
    exchange: StandInExchange, tmp_path: Path
) -> None:
    settings = {"keep_warm": False, "log_interval": 1}
    with bot_on(exchange, tmp_path, settings, trades=TRADES) as bot:
        # Long enough for the first rate to be asked for before it is there.
        exchange.latency = (0.3, 0.3)
        bot.get("status")
        # The first of the trades was not there; the others had come with it.
        first = ("5", "80.0", "1", "4")
        until(lambda: first in lines(bot), "the line is logged")
        bot.get("status")
        second = ("10", "90.0", "1", "9")
        until(lambda: second in lines(bot), "what has changed is logged")
        bot.get("status")
    # Nothing twice, but for the end, which may come after the same line.
    said = lines(bot)
    assert said[-1] == ("15", "93.3", "1", "14")
    assert said[:2] == [first, second]
    assert len(said) <= 4


def test_it_is_logged_at_the_end_only(exchange: StandInExchange, tmp_path: Path) -> None:
    settings = {"keep_warm": False, "log_interval": 0}
    with bot_on(exchange, tmp_path, settings, trades=TRADES) as bot:
        # Long enough for the first rate to be asked for before it is there.
        exchange.latency = (0.3, 0.3)
        bot.get("status")
    assert lines(bot) == [("5", "80.0", "1", "4")]
