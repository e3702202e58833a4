"""`make bench-freqtrade`, second part: real Freqtrades beside others at their address.

It writes its part of RESULTS.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benches import report
from benches.measure import Findings
from benches.report import Row
from peers.freqtrade.beside import LOOKS, PAIRS, beside

OURS, STOCK = "sluicegate", "Freqtrade"
COLUMNS = (OURS, STOCK)


@dataclass(frozen=True)
class Scene:
    """A row.

    Attributes:
        key: Its name.
        title: What it is called.
        seconds: For how long.
        others: The share of the weight that others use.
        bots: How many bots there are.
    """

    key: str
    title: str
    seconds: float
    others: float
    bots: int

    @property
    def row(self) -> Row:
        """The row of the table."""
        return Row(self.key, self.title, "0 bans")


SCENES = (
    Scene("three", "three bots, others use 85 % of the weight, 110 s", 110, 0.85, 3),
    Scene("one", "one bot, others use 35 % of the weight, 110 s", 110, 0.35, 1),
)


def told(seen: dict[str, Any]) -> str:
    """A cell."""
    return (
        f"{seen['bans']} bans ({seen['banned']:,} times 418), {seen['rejected']:,} times 429, "
        f"{seen['too_early']:,} sent while told to wait; {seen['accepted']:,} answered"
    )


def measure(console: Console, seconds: float | None = None) -> Findings:
    """All rows."""
    findings = Findings()
    for scene in SCENES:
        for column, stock in ((STOCK, True), (OURS, False)):
            console.print(f"{column}: {scene.title}", highlight=False)
            seen = beside(stock, seconds or scene.seconds, scene.others, scene.bots, pace=None)
            if stock:
                findings.add(scene.row, column, told(seen))
            else:
                findings.add(scene.row, column, told(seen), not seen["bans"], seen["bans"] > 0)
    return findings


def main() -> int:
    """Measures and writes; the exit status says whether there was a ban."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, help="the length of each run; nothing is written")
    asked = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    findings = measure(console, asked.seconds)
    rows = [scene.row for scene in SCENES]
    report.show(console, rows, findings.figures, COLUMNS)
    if asked.seconds is None:
        lines = [
            "# Freqtrade beside others at its address, stock and with sluicegate",
            "",
            "Written by `make bench-freqtrade`. Real `freqtrade trade`s in dry run, each with an "
            f"open trade in each of {PAIRS} pairs, ccxt's own pace, and a dashboard that asks for "
            f"`/status` and `/profit` each {LOOKS:g} s. The stand-in has Binance spot's published "
            "limits, and answers after 20 to 100 ms; 20 times 429 in a minute are forgiven, then "
            "it bans for two minutes. The others are never refused. The bots share no budget: "
            "each hears what it is answered.",
            "",
            "Freqtrade sleeps for 1, 2, 5 and 10 s after a 429, each caller by itself. So one bot "
            "alone stays below 20 in a minute. Several callers of several bots do not.",
            "",
            *(f"- {line}" for line in report.machine(["freqtrade", "ccxt"])),
            "",
            *report.markdown(rows, findings.figures, COLUMNS),
        ]
        report.write_part("make bench-freqtrade-beside", lines)
    return 1 if report.failed(findings.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
