"""Hummingbot and Freqtrade themselves, each twice on one budget, as long as they are installed."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from benches.measure import Findings, Plan
from benches.report import Row
from benches.share.cluster import NOTHING, store
from benches.share.rows import STORES, promise
from tests.helpers.repository import ROOT


@dataclass(frozen=True)
class Program:
    """A program, and how two of it are run in its environment."""

    name: str
    environment: str
    module: str
    made_by: str
    full: tuple[str, ...]
    quick: tuple[str, ...]
    row: Row

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return ROOT / self.environment / "bin" / "python"


HUMMINGBOT = Program(
    "Hummingbot",
    ".venv-peers",
    "peers.hummingbot.two_bots",
    "make test-peers",
    ("--pings", "2000"),
    ("--pings", "500"),
    Row("hummingbot", "the real Hummingbot twice, 2,000 pings each: rejected", "0"),
)
FREQTRADE = Program(
    "Freqtrade",
    ".venv-freqtrade",
    "peers.freqtrade.two_bots",
    "make test-freqtrade",
    ("--calls", "120"),
    ("--calls", "30"),
    Row("freqtrade", "the real Freqtrade twice, with a rule: rejected", "0"),
)
PROGRAMS = (HUMMINGBOT, FREQTRADE)
ROWS = tuple(program.row for program in PROGRAMS)
PATIENCE = 400.0


_turns = {program.name: Lock() for program in PROGRAMS}
"""Several of one program start slowly together; a pair at a time."""


class MissingError(Exception):
    """A program is not installed."""


def twice(program: Program, where: str, quick: bool) -> dict[str, Any]:
    """Two of a program, and what the exchange saw of both."""
    if not program.python.exists():
        raise MissingError(f"{program.name} is not installed: {program.made_by} does that")
    with _turns[program.name], store(where) as place:
        words = [str(program.python), "-m", program.module]
        words += program.quick if quick else program.full
        words += ["--share", place.url] if place.url else []
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def jobs(plan: Plan) -> dict[tuple[str, str], Callable[[], dict[str, Any]]]:
    """What runs at once: both over each store, and without a budget."""
    return {
        (program.name, where): partial(twice, program, where, plan.quick)
        for program in PROGRAMS
        for where in (*STORES, NOTHING)
    }


def tell(outcomes: dict[tuple[str, str], dict[str, Any] | Exception], findings: Findings) -> None:
    """Puts what the jobs found into the table."""
    for program in PROGRAMS:
        alone = outcomes[program.name, NOTHING]
        if isinstance(alone, MissingError):
            findings.notes.append(f"LEFT OUT: {alone}.")
            continue
        for where in STORES:
            seen = outcomes[program.name, where]
            if isinstance(seen, Exception):
                promise(findings, program.row, where, f"{type(seen).__name__}: {seen}", False)
                continue
            whole = seen["answered"] >= seen["wanted"] and seen["rejected"] == 0
            text = f"{seen['rejected']} of {seen['answered']:,}"
            promise(findings, program.row, where, text, whole)
            findings.notes.append(
                f"{program.name} twice, {where}: the worst window {seen['worst']} of "
                f"{seen['limit']}."
            )
        if isinstance(alone, Exception):
            findings.notes.append(f"{program.name} twice, each by itself: {alone}.")
        else:
            findings.notes.append(
                f"{program.name} twice, each by itself: {alone['rejected']} rejected."
            )
