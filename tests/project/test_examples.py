"""Every program of `examples/` runs, and what it says of itself holds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.repository import ROOT

EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("fmz_*.py")))
def test_example_runs(example: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", example],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "rejected 0" in run.stdout
