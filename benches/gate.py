"""The cost of the decision itself, without Python: `benches/gate.rs`, for short times."""

import re
import shutil
import subprocess
from pathlib import Path

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Plan
from benches.report import Row

PASS = Row("gate", "the decision itself, without Python (criterion): one pool, enter and leave", "")
FULL = Row("gate-full", "the same with 1,000,000 charges in the windows", "")
CHARGE = Row("gate-charge", "from Rust, by a known route, two limits: charge", "≤ 30 ns")
ROUTE = Row("gate-route", "the same: enter and leave", "≤ 60 ns")
ROWS = (PASS, FULL, CHARGE, ROUTE)
TARGETS = {CHARGE: 30.0, ROUTE: 60.0}

COMMAND = ("cargo", "bench", "--locked", "--bench", "gate", "--")
OPTIONS = ("--warm-up-time", "0.3", "--measurement-time", "0.7", "--sample-size", "20")

BENCH = re.compile(r"^(\S.*?)\s+time:\s+\[\S+ \S+ (\S+ \S+) ", re.MULTILINE)
"""`uncontended pass/Response/1 time: [1 ns 2 ns 3 ns]`; the name may stand on a line of its own."""


def read(output: str) -> dict[str, str]:
    """The estimates of a run of criterion, by the name of the bench."""
    joined = re.sub(r"\n\s+time:", " time:", output)
    return dict(BENCH.findall(joined))


def nanoseconds(time: str) -> float:
    """`12.3 ns` or `1.2 µs` as a number."""
    number, unit = time.split()
    return float(number) * {"ps": 1e-3, "ns": 1.0, "µs": 1e3, "us": 1e3, "ms": 1e6}[unit]


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here, where there is a cargo."""
    del peers
    findings = Findings()
    if shutil.which("cargo") is None or plan.quick:
        findings.notes.append("benches/gate.rs was left out: it needs cargo, and time.")
        return findings
    plan.step("gate: cargo bench (the first time, it builds)")
    root = Path(__file__).parent.parent
    done = subprocess.run(
        (*COMMAND, *OPTIONS), cwd=root, capture_output=True, text=True, check=False
    )
    times = read(done.stdout)
    if done.returncode or not times:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        findings.notes.append(f"benches/gate.rs did not run: {last}")
        return findings
    for row, bench in (
        (PASS, "uncontended pass/Response/1"),
        (FULL, "pass with so many charges in the window/1000000"),
        (CHARGE, "two limits, a known route/charge"),
        (ROUTE, "two limits, a known route/enter and leave"),
    ):
        if bench in times:
            target = TARGETS.get(row)
            met = None if target is None else nanoseconds(times[bench]) <= target
            findings.add(row, Sluicegate.name, times[bench], met=met)
    findings.notes.append(
        "benches/gate.rs: " + "; ".join(f"{bench}: {time}" for bench, time in times.items()) + "."
    )
    return findings
