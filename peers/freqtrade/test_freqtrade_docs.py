"""The example of the page for Freqtrade, in the real program."""

from __future__ import annotations

import re
from pathlib import Path

import freqtrade.main
import pytest
from freqtrade.exchange.exchange import Exchange

import sluicegate.freqtrade as drop_in

PAGE = Path(__file__).parents[2] / "docs" / "freqtrade.md"
EXAMPLES = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_example_starts_freqtrade_with_the_drop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    own, started = dict(vars(Exchange)), []
    monkeypatch.setattr(
        freqtrade.main,
        "main",
        lambda words: started.append((words[0], dict(vars(Exchange)) != own)),
    )
    [code] = EXAMPLES
    try:
        exec(compile(code, str(PAGE), "exec"), {})
    finally:
        drop_in.uninstall()
    assert started == [("trade", True)]
