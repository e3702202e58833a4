"""With a store, programs that use ccxt have one budget, by the names that docs/sharing.md tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluicegate.ccxt.budgets import Budgets
from sluicegate.ccxt.egress import account_of
from sluicegate.share import Share
from tests.helpers.platforms import needs_budget_in_a_file

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys, time
from sluicegate.ccxt import install
from tests.ccxt.strict import Server, ask, synchronous

install()
server = Server()
exchange = synchronous(server)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    ask(exchange)
print(json.dumps(server.arrivals))
"""


@needs_budget_in_a_file
def test_the_names_are_those_that_the_page_tells(tmp_path: Path) -> None:
    budgets = Budgets(Share(f"sqlite:///{tmp_path}/budget.db", address="office", account="mine"))
    assert budgets.share is not None
    named = budgets._named(budgets.share, "binance-spot", "http://proxy:8080", "main")
    assert named.address == "office/binance-spot/http://proxy:8080"
    assert named.account == "mine/binance-spot/main"
    plain = budgets._named(budgets.share, "binance-spot", "", "")
    assert (plain.address, plain.account) == ("office/binance-spot", "mine/binance-spot")


def test_the_key_is_in_no_name() -> None:
    class Object:
        options: dict[str, Any] = {}
        apiKey = "a secret key"  # noqa: N815

    name = account_of(Object())
    assert len(name) == 12
    assert "secret" not in name


@pytest.mark.skipif(sys.platform != "linux", reason="its monotonic clock is one for all processes")
def test_two_programs_are_never_over_the_limit_together(tmp_path: Path) -> None:
    environ = {**os.environ, "SLUICEGATE_SHARE": f"sqlite:///{tmp_path}/budget.db"}
    environ["PYTHONPATH"] = str(ROOT)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "2.5"], env=environ, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    arrivals = [json.loads(program.communicate(timeout=60)[0]) for program in running]
    assert all(arrivals)
    times = sorted(at for one in arrivals for at in one)
    assert not [at for at, later in zip(times, times[50:], strict=False) if later - at < 1.0]
