"""Others use a shared budget's limits, too: what one process hears, all leave to them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.tables import load
from sluicegate.testing import Others, StandInExchange
from tests.helpers.repository import ROOT
from tests.helpers.threads import until
from tests.sharing.bots import PATIENCE

TABLE = [RateLimit("x", 100, 30)]


def shared_use(throttler: Throttler) -> int:
    whole = throttler.usage("x").shared
    return 0 if whole is None else whole.used


def test_all_processes_together_use_no_more_than_one_heard_to_be_left(store: str) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE, share=store)
    for throttler, units in ((first, 10), (second, 40)):
        with throttler.execute_task("x", units=units, timeout=PATIENCE):
            pass
    # 50 are theirs: others have used 40.
    first.observe("x", used=90, age=0.0)
    until(lambda: shared_use(second) >= 90)
    passed = 0
    for throttler in (second, first) * 100:
        passed += throttler.try_acquire("x")
    assert passed <= 10
    until(lambda: first.try_acquire("x") or shared_use(first) >= 100)
    first.close()
    second.close()


def test_without_others_nothing_is_kept(store: str) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE, share=store)
    for throttler, units in ((first, 10), (second, 40)):
        with throttler.execute_task("x", units=units, timeout=PATIENCE):
            pass
    first.observe("x", used=50, age=0.0, expect=True)
    with second.execute_task("x", units=50, timeout=PATIENCE):
        pass
    first.close()
    second.close()


def test_two_bots_on_one_budget_are_not_banned_beside_others(store: str) -> None:
    pytest.importorskip("httpx")
    minute, seconds = 4.0, 9.0
    table = load("binance-spot").scaled(minute)
    with StandInExchange(table, latency=(0.02, 0.1), seed=7) as exchange:
        exchange.set_others({"REQUEST_WEIGHT": Others(0.35)})
        words = [exchange.url, store, str(minute), str(seconds)]
        command = [sys.executable, "-m", "tests.sharing.beside_others", *words]
        bots = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
        outputs = [bot.communicate(timeout=PATIENCE)[0] for bot in bots]
        seen = exchange.statistics()
    assert [bot.returncode for bot in bots] == [0, 0], outputs
    # 20 refusals in a window are a ban: one for each request that was in flight would be 16.
    assert (seen.bans, seen.banned) == (0, 0), outputs
    assert seen.rejected < 16, outputs
    assert seen.accepted > 250
