"""`make bench-hummingbot`, second part: a real `BinanceExchange` that trades, stock and drop-in.

Both run at the same time, each at a stand-in of its own. It writes its part of RESULTS.md.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
from typing import Any

from rich.console import Console

from benches import report
from benches.measure import Findings, percentile
from benches.report import Row
from peers.hummingbot.beside import Trouble, run
from sluicegate.testing import Statistics

OURS, STOCK = "sluicegate", "Hummingbot"
MINUTE = 15.0


class Asked:
    """A row.

    Args:
        key: Its name.
        title: What it is called.
        trouble: What the run is made difficult with.
        most: How many 429s there may be; None if that is not asked.
    """

    def __init__(self, key: str, title: str, trouble: Trouble, most: int | None) -> None:
        """A row that was not measured yet."""
        self.row = Row(key, title, "0 bans" + (f", 429 at most {most} times" if most else ""))
        self.trouble = trouble
        self.most = most


ROWS = (
    Asked(
        "dropped",
        "trading for 60 s (4 minutes of the stand-in), answers after 20 to 250 ms, 15 % of the "
        "connections dropped",
        Trouble(60, dropped=0.15, minute=MINUTE),
        2,
    ),
    Asked(
        "restarted",
        "restarted at the limit, no shared budget",
        Trouble(20, before=True, minute=MINUTE),
        1,
    ),
    Asked(
        "others",
        "others use 35 % of the weight, for 300 s in windows of full length, 5 % of the "
        "connections dropped",
        Trouble(300, others=0.35, dropped=0.05, minute=60),
        2,
    ),
)


WAITS = Row(
    "waits",
    "market data wants more weight than there is, beside orders and cancels, for 30 s: the 99th "
    "percentile of a cancel's wait",
    "≤ one answer's time (the mean) + 3 ms",
)
HOW_WAITS = (
    "Waits: from asking Hummingbot for a request until it leaves; those that were still waiting at "
    "the end count with the time they had waited. 60 tasks ask for prices without a pause, after a "
    "minute in which the weight was used evenly; 6 make orders and cancel them. "
    "Stock looks through its whole log for each request: it is short of CPU before it is short of "
    "weight, and its requests wait for the program instead."
)
BUSY = Trouble(30, minute=MINUTE, program="waits")


def waited(seen: Statistics, told: dict[str, Any]) -> tuple[str, bool]:
    """A cell of waits, and whether the target was reached."""
    answer = statistics.fmean(told["answers"])
    last = {name: percentile(waits, 0.99) for name, waits in told["waits"].items() if waits}
    text = f"{last['cancel']:.3f} s, an answer's time {answer:.3f} s"
    text += f"; a cancel from asking to its answer {percentile(told['whole'], 0.99):.3f} s"
    text += f"; orders {last['order']:.3f} s, market data {last['market']:.3f} s"
    counts = (f"{len(waits):,} {name}" for name, waits in told["waits"].items())
    text += f" ({', '.join(counts)}; {seen.rejected} times 429)"
    return text, last["cancel"] <= answer + 0.003


def told(seen: Statistics) -> str:
    """A cell."""
    weight = seen.limit("REQUEST_WEIGHT")
    text = f"{seen.bans} bans ({seen.banned:,} times 418), {seen.rejected} times 429"
    text += f", {seen.accepted:,} of {seen.requests:,} answered"
    return f"{text}; worst window {weight.worst_window:,} of {weight.limit:,}"


async def measure(python: str, only: str | None = None) -> Findings:
    """All rows, or one."""
    findings = Findings()
    for asked in ROWS:
        if only not in (None, asked.row.key):
            continue
        (stock, _), (ours, _) = await asyncio.gather(
            run(asked.trouble, drop_in=False, python=python),
            run(asked.trouble, drop_in=True, python=python),
        )
        met = ours.bans == 0 and (asked.most is None or ours.rejected <= asked.most)
        findings.add(asked.row, OURS, told(ours), met, ours.bans > 0)
        findings.add(asked.row, STOCK, told(stock))
    if only not in (None, WAITS.key):
        return findings
    # One after the other: what is measured is milliseconds.
    text, met = waited(*await run(BUSY, drop_in=True, python=python))
    findings.add(WAITS, OURS, text, met)
    findings.add(WAITS, STOCK, waited(*await run(BUSY, drop_in=False, python=python))[0])
    return findings


def main() -> int:
    """Measures and writes; the exit status says whether there was a ban."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the one that has Hummingbot")
    rows = [*(asked.row for asked in ROWS), WAITS]
    only = "replaces one row in RESULTS.md, and leaves the others"
    parser.add_argument("--only", choices=[row.key for row in rows], help=only)
    given = parser.parse_args()
    python = given.python
    findings = asyncio.run(measure(python, given.only))
    console = Console()
    report.show(console, rows, findings.figures, (OURS, STOCK))
    if given.only:
        report.update_part("make bench-hummingbot", rows, findings.figures, [HOW_WAITS])
        return 1 if report.failed(findings.figures) else 0
    versions = "from importlib.metadata import version as v; print(v('hummingbot'), v('aiohttp'))"
    hummingbot, aiohttp = subprocess.check_output([python, "-c", versions], text=True).split()
    lines = [
        "# A real Hummingbot that trades, stock and with sluicegate",
        "",
        "Written by `make bench-hummingbot`. Hummingbot's own `BinanceExchange`: orders, cancels, "
        "balances and prices from 76 tasks, and a data feed with a throttler of its own. The "
        "stand-in has Binance spot's published limits in windows of its clock; its minute takes "
        f"{MINUTE:g} s here unless a row says otherwise, and so do the connector's "
        "intervals and the ban rule (20 times 429 in a minute are forgiven; the first ban is two "
        "minutes). What it tells to wait is in real seconds. Stock and drop-in ran at the same "
        "time, but for the last row. 418 and 429: requests so answered.",
        "",
        f"- {HOW_WAITS}",
        "",
        *(f"- {line}" for line in report.machine([])),
        f"- Hummingbot {hummingbot}, aiohttp {aiohttp}",
        "",
        *report.markdown(rows, findings.figures, (OURS, STOCK)),
    ]
    report.write_part("make bench-hummingbot", lines)
    return 1 if report.failed(findings.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
