"""`python -m benches`: every scenario, in one table."""

import argparse
import sys
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benches import (
    backfill,
    classes,
    crowd,
    gate,
    httpx,
    jitter,
    lateness,
    listening,
    priorities,
    queue,
    report,
    saturation,
    soak,
    uncontended,
)
from benches.limiter import Sluicegate
from benches.measure import Findings, Plan
from benches.peers import installed

SCENARIOS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(uncontended, saturation, lateness, queue, crowd, jitter, backfill, soak, gate),
        *(listening, httpx, priorities, classes),
    )
}


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benches", description="sluicegate beside other rate limiters"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything, to see that it runs"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=SCENARIOS,
        metavar="ROW",
        help=f"one of {', '.join(SCENARIOS)}; repeatable",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="with --only: replaces these rows in RESULTS.md, and leaves the others",
    )
    parser.add_argument("--seconds", type=float, help="the length of every timed run")
    parser.add_argument("--alone", action="store_true", help="sluicegate only")
    return parser.parse_args()


def main() -> int:
    """Runs what is asked for; the exit status says whether a promise was broken."""
    asked = arguments()
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    peers, missing = ([], {}) if asked.alone else installed()
    for name, reason in missing.items():
        console.print(f"left out: {name}: {reason}", highlight=False)
    names = asked.only or list(SCENARIOS)
    # Shown only between two measurements: whatever runs beside one is part of its CPU time.
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    total = Findings()
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        bar = progress.add_task("", total=len(names))

        def step(what: str) -> None:
            if console.is_terminal:
                progress.update(bar, description=what, refresh=True)
            else:
                console.print(what, highlight=False)

        plan = Plan(asked.quick, asked.seconds, step)
        for name in names:
            findings: Findings = SCENARIOS[name].run(plan, peers)
            total.figures += findings.figures
            total.notes += findings.notes
            progress.advance(bar)
    rows = [row for scenario in SCENARIOS.values() for row in scenario.ROWS]
    libraries = [Sluicegate.name, *(peer.name for peer in peers)]
    report.show(console, rows, total.figures, libraries)
    for note in total.notes:
        console.print(f"• {note}", highlight=False)
    if asked.write and asked.only and not asked.quick:
        report.update_part("make bench", rows, total.figures, total.notes)
    elif not asked.quick and not asked.only:
        distributions = ["uvloop", *(peer.distribution for peer in peers)]
        report.write(rows, total.figures, libraries, distributions, total.notes, missing)
    return 1 if report.failed(total.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
