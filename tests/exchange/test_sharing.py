"""Rules that several processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate import Share, Throttler
from sluicegate._core import share_overview
from sluicegate.exchange import gate, limit, limit_all
from tests.helpers.platforms import needs_budget_in_a_file

pytestmark = needs_budget_in_a_file

BOT = """
import sys
from sluicegate.exchange import limit

class Exchange:
    def GetTicker(self):
        return 60000.0

exchange = limit(Exchange(), share=sys.argv[1])
exchange.IO(*sys.argv[2:4], int(sys.argv[4]), *sys.argv[5:7])
print(sum(exchange.GetTicker() is not None for _ in range(int(sys.argv[7]))))
if len(sys.argv) > 8:
    print(exchange.last_error)
"""


class Exchange:
    def GetTicker(self) -> float:
        return 60000.0


@pytest.fixture(autouse=True)
def _fetches_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that runs other tests, units that nobody uses come later than elsewhere."""
    monkeypatch.setattr(gate, "_FETCHING", 1.0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/budget.db"


def start(url: str, mode: str, calls: int, period: str, behavior: str, times: int) -> Bot:
    words = [url, mode, "GetTicker", str(calls), period]
    words += [behavior] if behavior else []
    program = BOT if behavior else BOT.replace("argv[5:7]", "argv[5:6]").replace("[7]", "[6]")
    return subprocess.Popen(
        [sys.executable, "-c", program, *words, str(times)], stdout=subprocess.PIPE, text=True
    )


Bot = subprocess.Popen[str]


def sent(bots: list[Bot]) -> list[int]:
    return [int(bot.communicate(timeout=120)[0].splitlines()[0]) for bot in bots]


@pytest.mark.parametrize(("mode", "period"), [("rate", "1h"), ("quota", "@2359")])
def test_a_rule_is_one_budget_over_processes_and_over_restarts(
    url: str, mode: str, period: str
) -> None:
    together = sent([start(url, mode, 10, period, "", 10) for _ in range(3)])
    assert sum(together) == 10
    assert sent([start(url, mode, 10, period, "", 10)]) == [0]


def test_calls_that_wait_are_all_sent(url: str) -> None:
    assert sent([start(url, "rate", 5, "200ms", "delay", 15) for _ in range(3)]) == [15] * 3


def test_other_names_and_other_accounts_have_budgets_of_their_own(url: str) -> None:
    shares = [Share(url, account="a"), Share(url, account="a"), Share(url, account="b")]
    throttlers = [Throttler([], hold="start", share=share) for share in shares]
    one, same, other = (limit(Exchange(), throttler=throttler) for throttler in throttlers)
    for exchange in (one, same, other):
        exchange.IO("rate", "GetTicker", 2, "1h")
    assert [one.GetTicker() is not None for _ in range(3)] == [True, True, False]
    assert same.GetTicker() is None
    assert "GetTicker: 2 per 1h (rate)" in same.last_error
    assert other.GetTicker() is not None
    for throttler in throttlers:
        throttler.close()


def test_limit_all_shares_for_all_of_its_objects(url: str) -> None:
    exchanges = limit_all([Exchange(), Exchange()], [["rate", "GetTicker", 3, "1h"]], share=url)
    assert [exchanges[n % 2].GetTicker() is not None for n in range(4)] == [True] * 3 + [False]
    (scope,) = share_overview(url)
    assert len(scope["members"]) == 1, "one throttler for all of them"


def test_a_rule_that_another_process_has_otherwise_lets_nothing_pass_and_is_told(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = limit(Exchange(), share=url), limit(Exchange(), share=url)
    one.IO("rate", "GetTicker", 2, "1h")
    assert one.GetTicker() is not None
    other.IO("rate", "GetTicker", 3, "1h")
    assert other.GetTicker() is None
    assert 'limit "rate:GetTicker" is 3 per 3600 s here, but 2 per 3600 s in' in caplog.text
    other.IO("rate", "GetTicker", 2, "1h")
    assert other.GetTicker() is not None


def test_share_and_throttler_exclude_each_other(url: str) -> None:
    with pytest.raises(ValueError, match="share the throttler, with Throttler"):
        limit(Exchange(), throttler=Throttler([], hold="start"), share=url)
    with pytest.raises(ValueError, match="share the throttler"):
        limit_all([Exchange()], [], throttler=Throttler([], hold="start"), share=url)


def test_a_store_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="is no kind of store"):
        limit(Exchange(), share="mysql://x/y")
