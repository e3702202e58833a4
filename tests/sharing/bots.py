"""Starts bots as processes of their own, and counts what a server would have seen of them."""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.helpers.repository import ROOT

PATIENCE = 60  # seconds until a test that hangs fails; never waited for otherwise


class Server:
    """What arrived, from whichever process: the instants of a log that all bots append to."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "arrivals.log"
        self.log.touch()

    def arrivals(self) -> list[int]:
        return sorted(int(line) for line in self.log.read_text().split())

    def most_within(self, interval: float) -> int:
        """The most that arrived in any window of this length."""
        arrivals = self.arrivals()
        span = int(interval * 1e9)
        return max(
            (bisect_left(arrivals, at + span) - first for first, at in enumerate(arrivals)),
            default=0,
        )


class Bot:
    """A process that runs `tests.sharing.bot`."""

    def __init__(
        self,
        url: str,
        server: Server,
        table: list[dict[str, Any]],
        *,
        threads: int = 2,
        tasks: int = 8,
        late: float = 0.005,
        **share: Any,
    ) -> None:
        options = {
            "url": url,
            "log": str(server.log),
            "table": table,
            "threads": threads,
            "tasks": tasks,
            "late": late,
            "share": share,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.sharing.bot", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.hears("ready")

    def hears(self, answer: str) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said == f"{answer}\n", self.process.communicate(timeout=PATIENCE)

    def order(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def send(self, requests: int) -> None:
        self.order(f"send {requests}")

    def sent(self) -> None:
        self.hears("sent")

    def end(self) -> None:
        """Ends it as programs end; nothing may have been wrong."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, errors) == (0, "")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def __enter__(self) -> Bot:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of its own, with its arguments in `sys.argv`."""
    # Since Python 3.12 each fork beside other threads has a warning: tests do that on purpose.
    forks = ("-W", "ignore:This process:DeprecationWarning")
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", *forks, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=ROOT,
    )
