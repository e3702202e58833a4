"""The examples run against the stand-in, which rejects nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from sluicegate.testing import StandInExchange, binance_spot
from tests.helpers.repository import ROOT


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("ccxt_threads.py", 4500),
        ("ccxt_async.py", 80),
    ],
)
def test_example_runs(name: str, own: int) -> None:
    with StandInExchange(binance_spot(minute=3)) as stand_in:
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / name), stand_in.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        seen = stand_in.statistics()
    assert seen.rejected == 0
    # What is kept for others, until the answers tell that there are none, counts as used.
    [used] = re.findall(r"(\d+) of 6000 weight is used", done.stdout)
    assert own <= int(used) <= 6000
