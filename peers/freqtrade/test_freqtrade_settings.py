"""The settings, and what starts a bot with the drop-in: `sluicegate run freqtrade trade`."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from peers.freqtrade.bot import Bot, configuration, until
from sluicegate.freqtrade.settings import Settings, read
from sluicegate.testing import StandInExchange

IN_PLACE = (
    "sluicegate run: sluicegate is in place for Freqtrade 2026.9 (rates), "
    f"ccxt {version('ccxt')} (all exchange objects)"
)


def bot_by_command(
    exchange: StandInExchange,
    folder: Path,
    settings: Any,
    *,
    run: bool = True,
    environment: dict[str, str] | None = None,
) -> Bot:
    """A bot that is started as a user starts one: by Freqtrade's own command."""
    config = configuration(folder, exchange.url, exchange.market.pairs, settings)
    freqtrade = str(Path(sys.executable).with_name("freqtrade"))
    command = [freqtrade, "trade", "--config", f"{folder}/config.json", "--userdir", str(folder)]
    if run:
        command = [sys.executable, "-m", "sluicegate", "run", "freqtrade", *command[1:]]
    return Bot(folder, config, command=command, environment=environment)


def test_sluicegate_run_puts_it_in_place(exchange: StandInExchange, tmp_path: Path) -> None:
    variables = {"FREQTRADE__SLUICEGATE__TTL": "600", "FREQTRADE__SLUICEGATE__KEEP_WARM": "false"}
    with bot_by_command(exchange, tmp_path, {"ttl": 200}, environment=variables) as bot:
        assert bot.get("show_config")["runmode"] == "dry_run"
        until(lambda: "state='STOPPED'" in bot.log(), "it has started")
        # Before its end: Freqtrade may tell with a traceback where a signal has met it.
        log = bot.log()
    said = [line for line in log.splitlines() if line.startswith("sluicegate run:")]
    assert said[0] == IN_PLACE
    assert [line for line in said[1:] if "--share" not in line] == []
    # What the environment says goes before what the config file says, as everywhere in Freqtrade.
    assert "sluicegate keeps the rates: ttl 600, size 1000, keep_warm False" in log
    assert "Traceback" not in log
    # All ccxt objects of the bot are on one budget, which is what the exchange publishes.
    seen = exchange.statistics()
    assert seen.accepted > 0
    assert (seen.rejected, seen.banned) == (0, 0)


def test_nothing_changes_without_it(exchange: StandInExchange, tmp_path: Path) -> None:
    with bot_by_command(exchange, tmp_path, {"ttl": "forever"}, run=False) as bot:
        assert bot.get("show_config")["runmode"] == "dry_run"
        until(lambda: "state='STOPPED'" in bot.log(), "it has started")
        log = bot.log()
    assert "sluicegate.freqtrade" not in log
    assert "Traceback" not in log


def test_settings_that_cannot_be_are_one_error_at_the_start(
    exchange: StandInExchange, tmp_path: Path
) -> None:
    settings = {"ttl": "five minutes", "size": 0, "keepwarm": True, "batch": 100}
    bot = bot_by_command(
        exchange, tmp_path, settings, environment={"FREQTRADE__SLUICEGATE__ERROR_TTL": "0.5"}
    )
    bot.start()
    bot.wait()
    log = bot.log()
    assert "Traceback" not in log
    [error] = re.findall(r"freqtrade - ERROR - (.*(?:\n(?!20).*)*)", log)
    told = " ".join(error.split())
    assert told.startswith(
        'Configuration error: "sluicegate": '
        "there is no setting 'keepwarm'; did you mean 'keep_warm'?; "
        "ttl must be seconds, at least 1, not 'five minutes'; "
        "size must be a whole number of at least 1, not 0; "
        "error_ttl must be seconds, at least 1, not 0.5"
    )
    assert exchange.calls() == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"ttl": True}, "ttl must be seconds, at least 1, not True"),
        ({"ttl": float("nan")}, "ttl must be seconds, at least 1, not nan"),
        ({"size": 10.0}, "size must be a whole number of at least 1, not 10.0"),
        ({"keep_warm": "yes"}, "keep_warm must be true or false, not 'yes'"),
        ({"batch": -1}, "batch must be a whole number of at least 1, not -1"),
        ({"log_interval": 0.5}, "log_interval must be seconds, at least 1, or 0 for a line"),
        ({"limits": "rate"}, "limits must be a list of rules such as"),
        ({"timezone": "Mars/Olympus"}, 'timezone must be the name of a time zone such as "'),
        ({"tlt": 1}, "there is no setting 'tlt'; did you mean 'ttl'?"),
        ({"zzzzzz": 1}, "there is no setting 'zzzzzz'; there are ttl, size, keep_warm, batch"),
        ([1], '"sluicegate" must be a section such as {"ttl": 300}, not [1]'),
        (None, '"sluicegate" must be a section such as {"ttl": 300}, not None'),
    ],
    ids=str,
)
def test_each_setting_is_checked(section: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read({"sluicegate": section})


def test_settings_that_are_left_out_have_their_defaults() -> None:
    assert read({}) == read({"sluicegate": {}}) == Settings()
    given = {"ttl": 60.5, "log_interval": 0, "timezone": None, "limits": [["rate", "*", 1, "1s"]]}
    assert read({"sluicegate": json.loads(json.dumps(given))}) == Settings(**given)
