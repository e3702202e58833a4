"""The examples of the page for Hummingbot that need Hummingbot itself."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from hummingbot.connector.exchange.binance.binance_constants import RATE_LIMITS
from hummingbot.core.api_throttler import async_throttler

import sluicegate.hummingbot as drop_in

PAGE = Path(__file__).parents[2] / "docs" / "hummingbot.md"
EXAMPLES = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, **names: object) -> None:
    exec(compile(textwrap.dedent(code), str(PAGE), "exec"), names)


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "install(" in code])
def test_example_puts_the_drop_in_in_place(code: str) -> None:
    try:
        run(code)
        assert async_throttler.AsyncThrottler is drop_in.AsyncThrottler
    finally:
        drop_in.uninstall()
    assert async_throttler.AsyncThrottler is not drop_in.AsyncThrottler


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "install(" not in code])
def test_example_of_a_script_adds_limits_to_a_connectors_throttler(code: str) -> None:
    throttler = drop_in.AsyncThrottler(RATE_LIMITS)
    strategy = SimpleNamespace(connectors={"binance": SimpleNamespace(throttler=throttler)})
    run(code, self=strategy)
    assert throttler.usage("IO quota:*").limit == 100_000


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 3
