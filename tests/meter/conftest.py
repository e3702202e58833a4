"""Bots in processes of their own, in a runtime folder of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluicegate._meter import sockets

Start = Callable[..., "subprocess.Popen[str]"]

#: `sluicegate top` with the folder of the test alone: other bots may run on this machine.
WITH_FOLDER = """
import os, sys
from pathlib import Path
from sluicegate._meter import sockets
sockets.folders = lambda: [Path(os.environ["XDG_RUNTIME_DIR"], "sluicegate")]
from sluicegate.__main__ import main
main(["top", *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only folder in which bots are looked for."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("SLUICEGATE_METER", raising=False)
    own = folder / "sluicegate"
    monkeypatch.setattr(sockets, "folders", lambda: [own] if own.is_dir() else [])
    return own


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python code, and waits until it has printed a line."""
    all_bots = []

    def begin(code: str, wait: bool = True) -> subprocess.Popen[str]:
        bot = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        all_bots.append(bot)
        if wait:
            assert bot.stdout is not None
            assert bot.stdout.readline()
        return bot

    yield begin
    for bot in all_bots:
        bot.kill()
        bot.communicate()
