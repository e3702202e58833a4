"""ccxt's own pacing beside the drop-in.

    python -m benches.ccxt [--quick] [--only SCENARIO ...]

Each scenario runs in a process of its own, first as ccxt is and then with the drop-in.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable

from rich.console import Console

from benches import report
from benches.ccxt.scenarios import LONG, SCENARIOS, Result
from benches.measure import Findings
from benches.report import Row

STOCK, OURS = "ccxt", "sluicegate"
COLUMNS = (OURS, STOCK)
SECONDS = 6.0

Show = Callable[[Result], tuple[str, bool]]


def _over(result: Result) -> tuple[str, bool]:
    return f"{result['over']:,} of {result['sent']:,}", result["over"] == 0


def _used(result: Result) -> tuple[str, bool]:
    return f"{100 * result['used']:.1f} %", result["used"] >= 0.97


def _micros(most: float) -> Show:
    return lambda result: (f"{1e6 * result['pacing']:.1f} µs", result["pacing"] <= most / 1e6)


def _waited(most: float) -> Show:
    def show(result: Result) -> tuple[str, bool]:
        waited = result["waited"]
        text = "never ends" if waited >= LONG else f"{waited:.2f} s"
        return text, waited <= most

    return show


def _works(result: Result) -> tuple[str, bool]:
    return "works" if result["works"] else "never ends", result["works"]


def _rejected(result: Result) -> tuple[str, bool]:
    return str(result["rejected"]), result["rejected"] == 0


ROWS: tuple[tuple[str, Row, Show], ...] = (
    (
        "threads_one_object",
        Row("over-1", "8 threads, one synchronous object: over the limit", "0"),
        _over,
    ),
    ("threads_one_object", Row("used-1", "the same: of the limit used", "≥ 97 %"), _used),
    (
        "threads_eight_objects",
        Row("over-8", "8 threads, 8 synchronous objects: over the limit", "0"),
        _over,
    ),
    (
        "threads_eight_objects",
        Row("used-8", "the same: of the limit used, of what latency allows", "≥ 97 %"),
        _used,
    ),
    (
        "two_asynchronous",
        Row("over-2", "two asynchronous objects, 25 tasks each: over the limit", "0"),
        _over,
    ),
    (
        "two_asynchronous",
        Row("used-2", "the same: of the limit used, of what latency allows", "≥ 97 %"),
        _used,
    ),
    (
        "jitter",
        Row(
            "over-j",
            "one asynchronous object, 60 tasks, 5 to 250 ms of latency: over the limit",
            "0",
        ),
        _over,
    ),
    (
        "jitter",
        Row("used-j", "the same: of the limit used, of what latency allows", "≥ 97 %"),
        _used,
    ),
    (
        "both_kinds",
        Row("over-b", "a synchronous and an asynchronous object at once: over the limit", "0"),
        _over,
    ),
    (
        "both_kinds",
        Row("used-b", "the same: of the limit used, of what latency allows", "≥ 97 %"),
        _used,
    ),
    ("pacing_cpu", Row("cpu", "CPU of pacing, a request at the limit", "≤ 15 µs"), _micros(15)),
    (
        "need_not_wait",
        Row("pass", "a request that need not wait, pacing alone", "≤ 5 µs"),
        _micros(5),
    ),
    (
        "cancelled",
        Row("cancelled", "after 10 waits of 100 ms that were given up, the next waits", "≤ 0.1 s"),
        _waited(0.12),
    ),
    (
        "dear",
        Row("dear", "a cost of three windows, and a request after it", "ends"),
        _waited(LONG - 1),
    ),
    (
        "clock_back",
        Row("clock", "a request after the clock was set back by 2 s waits", "0 s"),
        _waited(0.1),
    ),
    ("second_loop", Row("loop", "a second `asyncio.run`", "works"), _works),
    ("orders", Row("orders", "200 orders of Binance spot at once: rejected", "0"), _rejected),
)


def main() -> int:
    """Runs what is asked for; the exit status says whether a request was over a limit."""
    parser = argparse.ArgumentParser(description="ccxt's own pacing beside the drop-in.")
    parser.add_argument("--quick", action="store_true", help="2 s instead of 6; writes nothing")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="only these; writes nothing")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(*asked.child)
    seconds = 2.0 if asked.quick else SECONDS
    results = {
        (name, column): _run(name, column, seconds)
        for name in asked.only or SCENARIOS
        for column in (STOCK, OURS)
    }
    findings = Findings()
    for name, row, show in ROWS:
        for column in COLUMNS:
            if (name, column) in results:
                text, kept = show(results[name, column])
                ours = column == OURS
                wrong = ours and not kept and row.target == "0"
                findings.add(row, column, text, kept if ours else None, wrong=wrong)
    rows = [row for _, row, _ in ROWS]
    console = Console(width=None if sys.stdout.isatty() else 160)
    report.show(console, rows, findings.figures, COLUMNS)
    if not asked.quick and not asked.only:
        report.write_part("make bench-ccxt", _lines(rows, findings))
    return 1 if report.failed(findings.figures) else 0


def _run(name: str, column: str, seconds: float) -> Result:
    print(f"{name}, {column}", file=sys.stderr)
    command = [sys.executable, "-m", "benches.ccxt", "--child", name, column, str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _child(name: str, column: str, seconds: str) -> int:
    if column == OURS:
        from sluicegate.ccxt import install

        install()
    print(json.dumps(SCENARIOS[name](float(seconds))))
    return 0


def _lines(rows: list[Row], findings: Findings) -> list[str]:
    return [
        "# ccxt, stock and with sluicegate",
        "",
        "Written by `make bench-ccxt`. ✓ and ✗: whether sluicegate reached what it must. 50 units "
        "a second are allowed. Over the limit: requests that a strict server refuses, which counts "
        "only what it accepted.",
        "",
        *(f"- {line}" for line in report.machine(["ccxt"])),
        "",
        *report.markdown(rows, findings.figures, COLUMNS),
        "",
        "## How ccxt was measured",
        "",
        f"Each scenario runs for {SECONDS:g} s in a process of its own. The server is in that "
        "process: `fetch` sleeps for the latency. A unit is in use from when its request leaves "
        "until a second after its answer; no limiter that is never over can use more than all "
        "units at all times, so this is what the shares are of. Pacing: the CPU that a "
        "request costs more than one of ccxt's own with `enableRateLimit=False`, without the "
        "drop-in, in the same process; at the limit, from when the first second's requests have "
        "passed, and against as many requests at once in each second. What ccxt sleeps is not "
        "counted.",
    ]


if __name__ == "__main__":
    sys.exit(main())
