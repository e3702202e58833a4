"""`python -m benches.share`: several processes on one limit, in one table."""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

from rich.console import Console

from benches import report
from benches.measure import Findings, Plan
from benches.share import fleet, losses, one_pass, pace, programs, turns
from benches.share.cluster import program, warm_store
from benches.share.limiters import LIMITERS, OTHERS
from benches.share.rows import COLUMNS
from tests.helpers.servers import version_of

MEASURED: dict[str, ModuleType] = {"pace": pace, "one_pass": one_pass, "fleet": fleet}
"""One after the other: they are about CPU time."""
AT_ONCE: dict[str, ModuleType] = {"turns": turns, "losses": losses, "programs": programs}
"""All at once: they are about what is let through, and take long."""
ROWS = [row for module in (*MEASURED.values(), *AT_ONCE.values()) for row in module.ROWS]


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.share", description="several processes on one limit"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a part of everything, to see that it runs"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=(*MEASURED, *AT_ONCE),
        metavar="PART",
        help=f"one of {', '.join((*MEASURED, *AT_ONCE))}; repeatable",
    )
    parser.add_argument("--seconds", type=float, help="the length of every timed run")
    parser.add_argument("--alone", action="store_true", help="sluicegate only")
    parser.add_argument(
        "--write",
        action="store_true",
        help="with --only: replace its rows in RESULTS.md; the others stay",
    )
    return parser.parse_args()


def at_once(modules: list[ModuleType], plan: Plan) -> Findings:
    """Runs all jobs of some modules together."""
    findings = Findings()
    jobs: dict[ModuleType, dict[Any, Callable[[], Any]]] = {
        module: module.jobs(plan) for module in modules
    }
    count = sum(map(len, jobs.values()))
    plan.step(f"{count} scenarios at once: {', '.join(module.__name__ for module in modules)}")

    def guarded(job: Callable[[], Any]) -> Any:
        try:
            return job()
        except Exception as error:
            return error

    with ThreadPoolExecutor(max(count, 1)) as pool:
        running = {
            module: {key: pool.submit(guarded, job) for key, job in each.items()}
            for module, each in jobs.items()
        }
    for module, each in running.items():
        try:
            module.tell({key: future.result() for key, future in each.items()}, findings)
        except Exception as error:
            failed(findings, module, error)
    return findings


def failed(findings: Findings, module: ModuleType, error: Exception) -> None:
    """A part came to nothing: what the others have found is not to be lost."""
    findings.notes.append(f"{_failed(module)}: {type(error).__name__}: {error}")
    findings.add(module.ROWS[0], COLUMNS[0], "failed", met=False, wrong=True)


def _failed(module: ModuleType) -> str:
    return f"{module.__name__} failed"


def main() -> int:
    """Runs what is asked for; the exit status says whether a promise was broken."""
    asked = arguments()
    console = Console(width=None if sys.stdout.isatty() else 200)
    names = asked.only or [*MEASURED, *AT_ONCE]

    def step(what: str) -> None:
        console.print(what, highlight=False)

    plan = Plan(asked.quick, asked.seconds, step)
    others = [] if asked.alone else list(OTHERS)
    total = Findings()

    def add(findings: Findings) -> None:
        total.figures += findings.figures
        total.notes += findings.notes

    server = version_of(program())
    step(f"with {server}")
    measured = [MEASURED[name] for name in names if name in MEASURED]
    if measured:
        with warm_store("Redis"):
            step("a new server gives out nothing for a while: it was waited for")
    for module in measured:
        try:
            add(module.run(plan, others))
        except Exception as error:
            failed(total, module, error)
    together = [AT_ONCE[name] for name in names if name in AT_ONCE]
    if together:
        add(at_once(together, plan))
    report.show(console, ROWS, total.figures, COLUMNS)
    for note in total.notes:
        console.print(f"• {note}", highlight=False)
    if asked.write and asked.only and not asked.quick and not asked.alone:
        parts = [MEASURED.get(name) or AT_ONCE[name] for name in names]
        old = [_failed(module) for module in parts]
        report.update_part("make bench-share", ROWS, total.figures, total.notes, old)
    elif not asked.quick and not asked.only and not asked.alone:
        write(total, server)
    return 1 if report.failed(total.figures) else 0


def write(total: Findings, server: str) -> None:
    """Writes the part of `make bench-share`."""
    libraries = sorted({LIMITERS[library].distribution for library, _ in OTHERS})
    lines = [
        "# One budget of several processes",
        "",
        "Written by `make bench-share`. ✓ and ✗: whether sluicegate reached what it must. –: not "
        "measured for this library.",
        "",
        *(f"- {line}" for line in report.machine(libraries)),
        f"- Server: {server}, on the same machine",
        "",
        *report.markdown(ROWS, total.figures, COLUMNS),
        "",
        "## How sharing was measured",
        "",
        "Each bot is a process of its own, and the server that counts arrivals is another one. A "
        "request is the server's from the moment it leaves: a bot that is killed cannot call it "
        "back. Over: arrivals at which the last second held the limit already; every arrival "
        "counts, as on an exchange. What is about CPU time runs one after the other; the rest at "
        "once, each with a store and a server of its own.",
        "",
        *(f"- {note}" for note in total.notes),
    ]
    report.write_part("make bench-share", lines)


if __name__ == "__main__":
    sys.exit(main())
