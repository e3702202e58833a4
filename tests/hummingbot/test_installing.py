"""Putting the drop-in inside a Hummingbot, and taking it out again."""

from __future__ import annotations

import copy
import importlib
import sys
import warnings
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import sluicegate.hummingbot as ours
from sluicegate.hummingbot import install, uninstall
from tests.hummingbot import fake_hummingbot
from tests.hummingbot.fake_hummingbot import forget

API = "hummingbot.core.api_throttler"
NAMES = {
    "data_types": ["LinkedLimitWeightPair", "RateLimit", "TaskLog"],
    "async_request_context_base": ["AsyncRequestContextBase"],
    "async_throttler_base": ["AsyncThrottlerBase"],
    "async_throttler": ["AsyncRequestContext", "AsyncThrottler"],
}


class NoHummingbot(MetaPathFinder):
    """Has Python look as if there were none."""

    def find_spec(self, fullname: str, *_args: object) -> None:
        if fullname == "hummingbot":
            raise ModuleNotFoundError("No module named 'hummingbot'", name="hummingbot")


@pytest.fixture
def hummingbot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A Hummingbot of which one connector was imported already; ``late`` imports another."""
    forget()
    monkeypatch.syspath_prepend(fake_hummingbot.write(tmp_path))
    early = importlib.import_module("hummingbot.early")
    importlib.import_module("hummingbot.core.web_assistant.rest_assistant")
    yield SimpleNamespace(early=early, late=lambda: importlib.import_module("hummingbot.late"))
    uninstall()
    forget()


def loaded() -> dict[str, dict[str, Any]]:
    modules = {name: module for name, module in sys.modules.items() if "hummingbot" in name}
    return {name: dict(vars(module)) for name, module in modules.items()}


def test_every_name_is_ours_wherever_it_was_imported(hummingbot: SimpleNamespace) -> None:
    install()
    for module, names in NAMES.items():
        for name in names:
            assert getattr(sys.modules[f"{API}.{module}"], name) is getattr(ours, name)
    for connector in (hummingbot.early, hummingbot.late()):
        assert connector.AsyncThrottler is ours.AsyncThrottler
        assert connector.Base is ours.AsyncThrottlerBase
        assert connector.RateLimit is ours.RateLimit


def test_connectors_make_throttlers_of_their_own_limits(hummingbot: SimpleNamespace) -> None:
    install()
    for connector in (hummingbot.early, hummingbot.late()):
        throttler = connector.create_throttler()
        assert type(throttler) is ours.AsyncThrottler
        assert throttler.get_related_limits("/a")[1][0][1] == 2
        assert connector.uses(throttler)


def test_what_was_made_before_is_still_of_its_kind(hummingbot: SimpleNamespace) -> None:
    base = hummingbot.early.Base
    before = hummingbot.early.create_throttler()
    limit, pair = hummingbot.early.RATE_LIMITS[1], hummingbot.early.RATE_LIMITS[1].linked_limits[0]
    install()
    assert isinstance(before, ours.AsyncThrottlerBase)
    assert isinstance(limit, ours.RateLimit)
    assert pair == ours.LinkedLimitWeightPair("POOL", 2)
    assert ours.LinkedLimitWeightPair("POOL", 2) == pair
    assert isinstance(hummingbot.early.create_throttler(), base)
    assert copy.deepcopy(limit).linked_limits == [pair]


def test_uninstalling_leaves_no_trace(hummingbot: SimpleNamespace) -> None:
    before = loaded()
    base = hummingbot.early.Base
    install()
    late = hummingbot.late()
    uninstall()
    after = loaded()
    for module, names in before.items():
        assert {name: after[module].get(name) for name in names} == names
    assert late.AsyncThrottler is hummingbot.early.AsyncThrottler
    assert late.RateLimit is hummingbot.early.RateLimit
    assert not issubclass(ours.AsyncThrottler, base)
    uninstall()


@pytest.mark.parametrize("name", [None, 3])
def test_a_module_without_a_name_of_its_own_is_in_nobodys_way(
    hummingbot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, name: object
) -> None:
    strange = ModuleType("strange")
    vars(strange)["__name__"] = name
    vars(strange)["AsyncThrottler"] = hummingbot.early.AsyncThrottler
    monkeypatch.setitem(sys.modules, "strange", strange)
    install()
    assert vars(strange)["AsyncThrottler"] is ours.AsyncThrottler


def test_installing_twice_is_installing_once(hummingbot: SimpleNamespace) -> None:
    before = loaded()
    install()
    install()
    assert hummingbot.early.AsyncThrottler is ours.AsyncThrottler
    uninstall()
    assert loaded() == before


def test_what_was_imported_from_sluicegate_stays(hummingbot: SimpleNamespace) -> None:
    mine = ModuleType("hummingbot.mine")
    mine.AsyncThrottler = ours.AsyncThrottler  # type: ignore[attr-defined]
    sys.modules["hummingbot.mine"] = mine
    install()
    uninstall()
    assert mine.AsyncThrottler is ours.AsyncThrottler


def test_a_known_version_is_no_reason_to_warn(hummingbot: SimpleNamespace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        install()


def test_an_unknown_version_is_named_and_runs_all_the_same(
    hummingbot: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "hummingbot" / "VERSION").write_text("20991231\n")
    with pytest.warns(RuntimeWarning, match="was not tested with Hummingbot 20991231.*20260922"):
        install()
    assert hummingbot.early.AsyncThrottler is ours.AsyncThrottler


def test_without_hummingbot_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(sys, "meta_path", [NoHummingbot(), *sys.meta_path])
    with pytest.raises(ImportError, match="Hummingbot is not installed for this Python"):
        install()
    uninstall()


def test_a_hummingbot_without_a_throttler_is_left_as_it_is(hummingbot: SimpleNamespace) -> None:
    module = sys.modules[f"{API}.async_throttler"]
    del module.AsyncThrottler
    before = loaded()
    with pytest.raises(ImportError, match=r"no AsyncThrottler in .*api_throttler\.async_throttler"):
        install()
    assert loaded() == before


def test_a_throttler_that_can_do_more_is_left_as_it_is(hummingbot: SimpleNamespace) -> None:
    """Half of a newer Hummingbot's throttler would fail in the middle of a bot's work."""
    hummingbot.early.AsyncThrottler.stand_still = lambda self: None
    with pytest.raises(ImportError, match="has stand_still, which sluicegate's has not"):
        install()
    assert hummingbot.early.AsyncThrottler is not ours.AsyncThrottler
