"""The `sluicegate` section of Freqtrade's config file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import ccxt
import pytest

from sluicegate.freqtrade.limits import Limits
from sluicegate.freqtrade.settings import Settings, read
from tests.helpers.repository import ROOT

SECONDS = "seconds, at least 1"
COUNT = "a whole number of at least 1"
INTERVAL = "seconds, at least 1, or 0 for a line at exit only"
RULES = 'a list of rules such as [["rate", "GetTicker", 10, "1s", "delay"]]'
ZONE = 'the name of a time zone such as "Europe/Berlin"'
STORE = (
    'the address of a store such as "sqlite:////var/lib/bots/budget.db" or '
    '"redis://host:6379/0", or true for a file in your state folder'
)
WORDS = 'true, false, or whole numbers from -1000 to 1000 by function, such as {"GetTicker": 3}'
NAME = "a name of 1 to 100 characters"

RULE = ["rate", "GetTicker", 10, "1s", "delay"]

GOOD: dict[str, list[Any]] = {
    "ttl": [1, 0.5 + 0.5, 300, 1e9],
    "size": [1, 100_000],
    "keep_warm": [True, False],
    "batch": [1, 500],
    "error_ttl": [1, 90.5],
    "log_interval": [0, 0.0, 1, 86_400],
    "limits": [[], [RULE], (tuple(RULE), ["quota", "*", 9, "1d"])],
    "hold": ["start", "response"],
    "timezone": [None, "UTC", "Asia/Shanghai"],
    "priorities": [True, False, {}, {"GetTicker": 3, "fetch_ohlcv": -1}],
    "share": [None, True, False, "sqlite:////x/budget.db", "redis://me:secret@host:6379/0"],
    "account": [None, "main"],
    "address": [None, "home 1"],
}

NO_NUMBERS = [None, "300", True, [300], float("nan"), float("inf")]

BAD: dict[str, tuple[str, list[Any]]] = {
    "ttl": (SECONDS, [0, -1, 0.999, *NO_NUMBERS]),
    "size": (COUNT, [0, -1, 1.5, 10.0, *NO_NUMBERS]),
    "keep_warm": ("true or false", [0, 1, "yes", None]),
    "batch": (COUNT, [0, -1, 1.5, *NO_NUMBERS]),
    "error_ttl": (SECONDS, [0, -1, 0.999, *NO_NUMBERS]),
    "log_interval": (INTERVAL, [-1, 0.5, False, *NO_NUMBERS]),
    "limits": (RULES, [RULE, "rate", {"rate": 1}, [RULE, "rate"], None]),
    "hold": ('"start" or "response"', ["end", "Start", None, True, ["start"]]),
    "timezone": (ZONE, ["Europe/Atlantis", "", 1, ["UTC"]]),
    "priorities": (WORDS, [None, 1, "off", {"GetTicker": 1.5}, {"*": 1001}, {"x": None}, [1]]),
    "share": (STORE, ["", "budget.db", "mysql://x/y", 1, ["sqlite:////x"]]),
    "account": (NAME, ["", "x" * 101, "a\nb", 1, True]),
    "address": (NAME, ["", 1]),
}


def error_of(section: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read({"sluicegate": section})
    return str(caught.value)


def test_every_setting_has_examples_here() -> None:
    names = {field.name for field in fields(Settings)}
    assert GOOD.keys() == BAD.keys() == names


@pytest.mark.parametrize("config", [{}, {"sluicegate": {}}, {"stake_currency": "USDT"}])
def test_nothing_need_be_set(config: dict[str, Any]) -> None:
    assert asdict(read(config)) == {
        "ttl": 300,
        "size": 1_000,
        "keep_warm": True,
        "batch": 200,
        "error_ttl": 60,
        "log_interval": 3_600,
        "limits": (),
        "hold": "start",
        "timezone": None,
        "priorities": True,
        "share": None,
        "account": None,
        "address": None,
    }


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD.items() for value in values]
)
def test_each_may_be_set_by_itself(name: str, value: Any) -> None:
    assert asdict(read({"sluicegate": {name: value}})) == asdict(Settings()) | {name: value}


@pytest.mark.parametrize(
    ("name", "must", "value"),
    [(name, must, value) for name, (must, values) in BAD.items() for value in values],
)
def test_a_value_that_cannot_be_is_shown_with_what_would_be_right(
    name: str, must: str, value: Any
) -> None:
    assert error_of({name: value}) == f'"sluicegate": {name} must be {must}, not {value!r}'


@pytest.mark.parametrize("name", ["ttl", "size", "batch", "error_ttl", "log_interval"])
def test_a_number_that_no_clock_or_cache_can_take_is_told_as_any_other(name: str) -> None:
    assert f"{name} must be {BAD[name][0]}, not 1000" in error_of({name: 10**400})


def test_all_that_cannot_be_is_told_at_once() -> None:
    section = {name: values[0] for name, (_, values) in BAD.items()}
    problems = [f"{name} must be {BAD[name][0]}, not {section[name]!r}" for name in section]
    assert error_of(section | {"tll": 5, "size": 7}) == (
        "\"sluicegate\": there is no setting 'tll'; did you mean 'ttl'?; "
        + "; ".join(problem for problem in problems if not problem.startswith("size "))
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TTL", "did you mean 'ttl'?"),
        ("keepwarm", "did you mean 'keep_warm'?"),
        ("time_zone", "did you mean 'timezone'?"),
        ("limit", "did you mean 'limits'?"),
        ("exchange", "there are ttl, size, keep_warm, batch, error_ttl, log_interval, limits, "),
    ],
)
def test_a_setting_that_does_not_exist_is_told_with_the_closest(name: str, hint: str) -> None:
    message = error_of({name: 1})
    assert message.startswith(f'"sluicegate": there is no setting {name!r}; {hint}')


@pytest.mark.parametrize("section", [None, [], 300, "ttl", [["ttl", 300]]])
def test_a_section_that_is_none_is_shown(section: Any) -> None:
    assert error_of(section) == (
        f'"sluicegate" must be a section such as {{"ttl": 300}}, not {section!r}'
    )


def test_the_settings_fit_a_line() -> None:
    assert str(read({"sluicegate": {"ttl": 30, "limits": [RULE]}})) == (
        "ttl 30, size 1000, keep_warm True, batch 200, error_ttl 60, log_interval 3600, "
        "limits [['rate', 'GetTicker', 10, '1s', 'delay']], hold start, timezone None"
    )


@pytest.mark.parametrize("said", [{"fetch_ticker": 9}, False])
def test_the_users_priorities_hold_for_the_rules(said: Any) -> None:
    settings = read({"sluicegate": {"limits": [RULE], "priorities": said}})
    assert f"priorities {said}" in str(settings)
    limited = Limits(settings).apply(ccxt.binance())
    assert object.__getattribute__(limited, "_limits").priorities.said == said


def test_a_priority_of_a_function_that_does_not_exist_is_told() -> None:
    settings = read({"sluicegate": {"limits": [RULE], "priorities": {"GetTickr": 9}}})
    with pytest.raises(ValueError, match="GetTicker"):
        Limits(settings).apply(ccxt.binance())


def sharing(monkeypatch: pytest.MonkeyPatch, section: dict[str, Any], **env: str) -> Any:
    for name in ("SHARE", "ACCOUNT", "ADDRESS"):
        monkeypatch.delenv(f"SLUICEGATE_{name}", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return read({"sluicegate": section}).sharing("binance")


def test_limits_are_shared_if_the_section_or_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert sharing(monkeypatch, {}) is None
    url = "sqlite:////x/budget.db"
    share = sharing(monkeypatch, {"share": url, "account": "main"})
    assert (share.url, share.account, share.address) == (url, "main/binance", "default/binance")
    share = sharing(monkeypatch, {}, SLUICEGATE_SHARE=url, SLUICEGATE_ADDRESS="home")
    assert (share.url, share.account, share.address) == (url, "default/binance", "home/binance")
    # The section comes first.
    other = sharing(monkeypatch, {"share": "sqlite:////y.db"}, SLUICEGATE_SHARE=url)
    assert other.url == "sqlite:////y.db"
    assert sharing(monkeypatch, {"share": False}, SLUICEGATE_SHARE=url) is None
    own = sharing(monkeypatch, {"share": True}, XDG_STATE_HOME=str(tmp_path))
    assert own.url == f"sqlite:///{tmp_path}/sluicegate/budget.db"


def test_a_password_is_in_no_line_and_no_error() -> None:
    url = "redis://me:secret@host:6379/0"
    assert "share redis://me:***@host:6379/0" in str(read({"sluicegate": {"share": url}}))
    assert "secret" not in error_of({"share": url + "/9/9"})


def test_the_settings_of_the_page_are_read_and_the_first_are_the_defaults() -> None:
    page = (ROOT / "docs" / "freqtrade.md").read_text()
    first, *others = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    told = json.loads(first)["sluicegate"]
    assert read({"sluicegate": told | {"limits": ()}}) == Settings()
    assert told["limits"] == []
    assert told.keys() <= asdict(Settings()).keys()
    assert all(read(json.loads(one)).limits for one in others)
