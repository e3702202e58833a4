"""`python -m benches.meter`: what `sluicegate top` costs, and what it costs the bots that it shows.

CPU time is the kernel's, in nanoseconds, of all threads of a process (Linux only).
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console

from benches import report
from benches.measure import Findings, Plan
from benches.report import Row
from sluicegate import RateLimit, Throttler

OURS = ["sluicegate"]
BOTS, MOST_BOTS, LIMITS = 20, 50, 50
TOP = Row("top", f"`sluicegate top` on {BOTS} bots of {LIMITS} limits, of a core", "≤ 3 %")
SHOWN = Row("shown", "each of these bots meanwhile, of a core: median; the dearest", "≤ 0.1 %")
IDLE = Row("idle", "a bot nobody looks at: CPU and wake-ups of the meter's thread", "0; 0")
MANY = Row(
    "many", f"{MOST_BOTS} bots of {LIMITS} limits: all shown by one look, in", f"{MOST_BOTS}"
)
ROWS = [TOP, SHOWN, IDLE, MANY]

#: Other bots may run on this machine: only those of the runtime folder are shown.
TOP_OF_FOLDER = """
import os, sys
from pathlib import Path
from sluicegate._meter import sockets
sockets.folders = lambda: [Path(os.environ["XDG_RUNTIME_DIR"], "sluicegate")]
from sluicegate.__main__ import main
main(["top", *sys.argv[1:]])
"""


def bot() -> None:
    """A bot that has used some of each limit, and does nothing."""
    throttler = Throttler([RateLimit(f"/path/{n}", 100, 3_600) for n in range(LIMITS)])
    for n in range(LIMITS):
        throttler.charge(f"/path/{n}", units=1 + n)
    print("ready", flush=True)
    sys.stdin.read()


@contextmanager
def bots(count: int, environ: dict[str, str]) -> Iterator[list[int]]:
    """The pids of so many bots, each a process of its own."""
    with ExitStack() as ends:
        running = []
        for _ in range(count):
            words = [sys.executable, "-m", "benches.meter", "--bot"]
            pipe = subprocess.PIPE
            one = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environ)
            ends.enter_context(one)
            ends.callback(one.kill)
            running.append(one)
        for one in running:
            assert one.stdout is not None
            one.stdout.readline()
        yield [one.pid for one in running]


def cpu(pid: int, thread: str | None = None) -> float:
    """Seconds that a process's threads have run; those of one name, if it is given."""
    return (
        sum(_each(pid, thread, lambda task: int((task / "schedstat").read_text().split()[0]))) / 1e9
    )


def wake_ups(pid: int, thread: str) -> int:
    """How often the threads of one name have been woken."""

    def of(task: Path) -> int:
        lines = (task / "status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)

    return sum(_each(pid, thread, of))


def _each(pid: int, thread: str | None, what: Callable[[Path], int]) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [
        what(task)
        for task in tasks
        if thread is None or (task / "comm").read_text().strip() == thread
    ]


def seconds_while(seconds: float, pids: Sequence[int], thread: str | None = None) -> list[float]:
    """The share of a core that each process takes, in percent, over some time."""
    before, began = [cpu(pid, thread) for pid in pids], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return [100 * (cpu(pid, thread) - then) / took for pid, then in zip(pids, before, strict=True)]


@contextmanager
def view(environ: dict[str, str]) -> Iterator[tuple[int, bytearray]]:
    """`sluicegate top` in a terminal of 120 columns and 50 lines: its pid, and what it writes."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", TOP_OF_FOLDER]
    size = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50"}
    top = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env={**environ, **size}
    )
    os.close(theirs)
    written = bytearray()

    def read() -> None:
        try:
            while some := os.read(ours, 1 << 16):
                written.extend(some)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield top.pid, written
    finally:
        top.send_signal(signal.SIGINT)
        top.wait()
        reader.join()
        os.close(ours)


def run(plan: Plan) -> Findings:
    """All rows."""
    findings = Findings()
    seconds = plan.timed(30, 3)
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "XDG_RUNTIME_DIR": folder, "PYTHONUTF8": "1"}
        environ.pop("SLUICEGATE_METER", None)
        with bots(BOTS, environ) as pids:
            plan.step("bots that nobody looks at")
            before = [wake_ups(pid, "sluicegate") for pid in pids]
            idle = seconds_while(seconds, pids, "sluicegate")
            woken = sum(wake_ups(pid, "sluicegate") for pid in pids) - sum(before)
            text = f"{max(idle):.3g} %; {woken}"
            findings.add(IDLE, OURS[0], text, max(idle) == 0 and woken == 0)
            plan.step("`sluicegate top`")
            with view(environ) as (top, written):
                while b"/path/" not in written:
                    time.sleep(0.1)
                time.sleep(2)
                begin = len(written)
                shares = seconds_while(seconds, [top, *pids])
                frames = bytes(written[begin:]).count(b"\x1b[H") / seconds
            findings.add(TOP, OURS[0], f"{shares[0]:.2f} %", shares[0] <= 3)
            dearest = max(shares[1:])
            text = f"{median(shares[1:]):.3f} %; {dearest:.3f} %"
            findings.add(SHOWN, OURS[0], text, dearest <= 0.1)
            findings.notes.append(
                f"Top: {seconds:g} s in a terminal of 120 columns and 50 lines, {frames:.2f} "
                "frames a second. The bots do nothing else. Nobody looked at them before that."
            )
        plan.step(f"{MOST_BOTS} bots")
        with bots(MOST_BOTS, environ) as pids:
            words = [sys.executable, "-c", TOP_OF_FOLDER, "--json"]
            began = time.monotonic()
            said = subprocess.run(words, env=environ, check=True, capture_output=True, text=True)
            took = time.monotonic() - began
            told = json.loads(said.stdout)["bots"]
            full = [one for one in told if not one["state"] and one["pid"] in pids]
            full = [one for one in full if len(one["throttlers"][0]["limits"]) == LIMITS]
            text = f"{len(full)}, in {took:.1f} s"
            findings.add(MANY, OURS[0], text, len(full) == MOST_BOTS, len(full) != MOST_BOTS)
            findings.notes.append("A look: `--json` asks twice, half a second apart.")
    return findings


def main() -> int:
    """Runs all, or is a bot; the exit status says whether a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benches.meter", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a part, to see that it runs")
    parser.add_argument("--bot", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.bot:
        bot()
        return 0
    console = Console(width=None if sys.stdout.isatty() else 160)
    findings = run(Plan(asked.quick, None, lambda what: console.print(what, highlight=False)))
    report.show(console, ROWS, findings.figures, OURS)
    for note in findings.notes:
        console.print(f"• {note}", highlight=False)
    if not asked.quick:
        write(findings)
    return 1 if report.failed(findings.figures) else 0


def write(findings: Findings) -> None:
    """Writes the part of `make bench-meter`."""
    lines = [
        "# What watching costs",
        "",
        "Written by `make bench-meter`. ✓ and ✗: whether sluicegate reached what it must.",
        "",
        *(f"- {line}" for line in report.machine(["rich"])),
        "",
        *report.markdown(ROWS, findings.figures, OURS),
        "",
        "## How watching was measured",
        "",
        "Each bot is a process of its own. CPU time and wake-ups are the kernel's own counts.",
        "",
        *(f"- {note}" for note in findings.notes),
    ]
    report.write_part("make bench-meter", lines)


if __name__ == "__main__":
    sys.exit(main())
