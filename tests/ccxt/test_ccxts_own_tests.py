"""ccxt's own offline tests, which it ships: the drop-in loses none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ccxt
import pytest

PACKAGE = Path(ccxt.__file__).parent
TESTS = PACKAGE / "test" / "tests_init.py"
HELP = "these versions of ccxt ship no offline tests that run by themselves"


def own_tests(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """Run them from a folder that does not look installed: otherwise they refuse to run."""
    (folder / "ccxt").symlink_to(PACKAGE)
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *before, "tests_init.py", "--baseTests"],
        cwd=folder / "ccxt" / "test",
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(not TESTS.exists(), reason=HELP)
def test_none_is_lost(tmp_path: Path) -> None:
    for name in ("stock", "ours"):
        (tmp_path / name).mkdir()
    stock = own_tests(tmp_path / "stock")
    if stock.returncode != 0 or "tests passed" not in stock.stdout:
        pytest.skip(HELP)
    ours = own_tests(tmp_path / "ours", "-m", "sluicegate", "run")
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == stock.stdout
