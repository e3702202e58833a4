"""`make bench-freqtrade`: `/profit` of a stock Freqtrade and of one with the drop-in, in one run.

Each bot is a real one, in a process of its own, with an exchange of its own in another. T is what
`/profit` costs Freqtrade itself: with room for every rate, and all of them cached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console

from benches import report
from benches.measure import Findings
from benches.report import Row
from peers.freqtrade.trial import ANSWER, TRADES, Seen, Trial

HOUR = 3_600.0
DELISTED = 20
CALLERS = 8
OURS, T = "sluicegate", "T"
STOCK = {"stock": "stock", "room": "stock, room for 1,000 rates"}
COLUMNS = (OURS, T, *STOCK.values())


Pair = tuple[Seen, Seen]
"""The drop-in, and T right before or after it."""


@dataclass(frozen=True)
class Asked:
    """A row, and what the drop-in must reach in it: so many times T, and some seconds more."""

    key: str
    title: str
    times: float
    seconds: float
    calls: int

    @property
    def row(self) -> Row:
        """The row of the table."""
        most = f"≤ {self._product()}" + (f" + {self.seconds:g} s" if self.seconds else "")
        return Row(self.key, self.title, f"{most}, ≤ {_calls(self.calls)}")

    def compared(self, pairs: Sequence[Pair]) -> tuple[str, bool]:
        """What was reached, and whether that will do: the median of what each pair tells."""
        if self.seconds:
            more = median(ours.seconds - self.times * t.seconds for ours, t in pairs)
            return f"{self._product()} {'-' if more < 0 else '+'} {abs(more):.2f} s", (
                more <= self.seconds
            )
        ratios = sorted(ours.seconds / t.seconds for ours, t in pairs)
        return f"{median(ratios):.2f} T", median(ratios) <= self.times

    def _product(self) -> str:
        return "T" if self.times == 1 else f"{self.times:g} T"


def _calls(calls: int) -> str:
    return f"{calls:,} call{'s' * (calls != 1)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"


ASKED = (
    Asked("cold", "cold: the first call after the start, keep-warm off", 1, 0.6, 3),
    Asked("again", "again at once", 1.1, 0, 0),
    Asked("hour", "the first call after an hour of silence, keep-warm on", 1.2, 0, 0),
    Asked("delisted", f"{DELISTED} of the pairs delisted, second call", 1.5, 0, 0),
    Asked("crowd", f"{CALLERS} callers at once, cold", CALLERS, 0.6, 3),
)


@dataclass
class Measured:
    """One row.

    Attributes:
        pairs: The drop-in beside T.
        cached: For the crowd: what as many callers take Freqtrade itself, with all rates cached.
        stock: What stock saw, by side.
    """

    pairs: list[Pair] = field(default_factory=list)
    cached: list[float] = field(default_factory=list)
    stock: dict[str, Seen] = field(default_factory=dict)


Results = dict[str, Measured]


def measure_stock(results: Results) -> None:
    """Freqtrade's own caches, as they are and with room: once each, for it takes a while.

    Bots with exchanges of their own do this at the same time: nearly all of it is waiting.
    """

    def alone(side: str, trial: Trial) -> None:
        results["cold"].stock[side] = trial.profit()
        results["again"].stock[side] = trial.profit()
        trial.bot.shift(HOUR)
        results["hour"].stock[side] = trial.profit()

    def with_delisted(side: str, trial: Trial) -> None:
        trial.delist(DELISTED)
        results["delisted"].stock[side] = trial.profit()

    def with_a_crowd(side: str, trial: Trial) -> None:
        results["crowd"].stock[side] = trial.profit(CALLERS)

    with ExitStack() as ends:
        work = [
            (does, side, ends.enter_context(Trial(side)))
            for side in STOCK
            for does in (alone, with_delisted, with_a_crowd)
        ]
        with ThreadPoolExecutor(len(work)) as pool:
            list(pool.map(lambda one: one[0](*one[1:]), work))


def beside(ours: Trial, t: Trial, turn: int) -> Pair:
    """Both, one right after the other; T first in every second turn."""
    if turn % 2:
        own = t.profit()
        return ours.profit(), own
    return ours.profit(), t.profit()


def own_work(t: Trial, times: int) -> Seen:
    """T, where the drop-in cannot be measured more than once beside it."""
    seen = sorted((t.profit() for _ in range(times)), key=lambda one: one.seconds)
    return seen[times // 2]


def measure_round(results: Results, t: Trial, times: int) -> None:
    """All rows but the hour, with two fresh bots.

    Args:
        results: Where to put what was seen.
        t: Freqtrade with room for all rates.
        times: How often to take what can be taken more than once.
    """
    with Trial("sluicegate", {"keep_warm": False}) as ours:
        t.refill()
        cold = ours.profit()
        results["cold"].pairs.append((cold, own_work(t, times)))
        results["again"].pairs += [beside(ours, t, turn) for turn in range(times)]
        ours.delist(DELISTED)
        results["delisted"].pairs += [beside(ours, t, turn) for turn in range(times)]
    with Trial("sluicegate", {"keep_warm": False}) as ours:
        t.refill()
        crowd = ours.profit(CALLERS)
        results["crowd"].pairs.append((crowd, own_work(t, times)))
        results["crowd"].cached.append(t.profit(CALLERS).seconds)


def measure_hours(results: Results, t: Trial, hours: int) -> None:
    """The first call after an hour, as often as there are hours.

    What Freqtrade itself does only once, in a bot's very first call, is no part of T either.
    """
    with Trial("sluicegate") as ours:
        ours.profit()
        for turn in range(hours):
            t.refill()
            ours.wait_in_silence(HOUR)
            results["hour"].pairs.append(beside(ours, t, turn))


def check(results: Results) -> None:
    """Refuses a run in which not all were told the same, or in which T was not T."""
    told = [seen for key in ("cold", "again") for seen, _ in results[key].pairs]
    told += [seen for key in ("cold", "again") for seen in results[key].stock.values()]
    own = [t for measured in results.values() for _, t in measured.pairs]
    if len({seen.profit for seen in (*told, *own)}) != 1:
        raise RuntimeError("not all were told the same profit")
    if any(t.calls for t in own):
        raise RuntimeError("T asked the exchange: its rates were not all cached")


def table(results: Results) -> Findings:
    """The cells."""
    findings = Findings()
    for asked in ASKED:
        measured = results[asked.key]
        seconds = median(ours.seconds for ours, _ in measured.pairs)
        calls = max(ours.calls for ours, _ in measured.pairs)
        compared, reached = asked.compared(measured.pairs)
        wrong = calls > asked.calls
        text = f"{_seconds(seconds)} ({compared}), {_calls(calls)}"
        findings.add(asked.row, OURS, text, reached and not wrong, wrong)
        findings.add(asked.row, T, _seconds(median(t.seconds for _, t in measured.pairs)))
        for side, seen in measured.stock.items():
            text = f"{_seconds(seen.seconds)}, {_calls(seen.calls)}"
            findings.add(asked.row, STOCK[side], text)
        ratios = sorted(ours.seconds / t.seconds for ours, t in measured.pairs)
        findings.notes.append(
            f"{asked.title[0].upper()}{asked.title[1:]}: {len(ratios)} times beside T, "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f} T."
        )
        if measured.cached:
            findings.notes[-1] += (
                " Stock itself takes as many at once, with room and all rates cached, "
                f"{_seconds(median(measured.cached))}."
            )
    return findings


def write(findings: Findings) -> None:
    """Writes the part of RESULTS.md."""
    rows = [asked.row for asked in ASKED]
    lines = [
        "# Freqtrade's `/profit`, stock and with sluicegate",
        "",
        f"Written by `make bench-freqtrade`. {TRADES} open trades; the exchange answers in "
        f"{ANSWER:g} s. T: what `/profit` costs Freqtrade itself, with room for every rate and all "
        "of them cached. ✓ and ✗: whether sluicegate reached what it must.",
        "",
        *(f"- {line}" for line in report.machine(["freqtrade", "ccxt", "cachetools"])),
        "",
        *report.markdown(rows, findings.figures, COLUMNS),
        "",
        "## How Freqtrade was measured",
        "",
        "Each bot is a real `freqtrade trade` in dry run, asked over its REST server, and has a "
        "stand-in exchange in a process of its own. Seconds are medians, and calls the most of "
        "any time. What is told in T is the median over pairs of calls, one to either bot, one "
        "right after the other; where there is only one first call, T is the median of several. "
        "Stock takes long, and was measured once, in bots that did so at the same time: nearly all "
        "of it is waiting. Calls are those to the exchange; CoinGecko's are in the seconds only.",
        "",
        f"With {DELISTED} pairs delisted, the other {TRADES - DELISTED} just fit into stock's own "
        "cache: its calls are for the delisted ones, 5 for each.",
        "",
        "An hour of silence is the bot's clock moved in steps; after each, keep-warm had its time "
        "to renew the rates, which takes one call, made by nobody's `/profit`.",
        "",
        *(f"- {note}" for note in findings.notes),
    ]
    report.write_part("make bench-freqtrade", lines)


def main() -> int:
    """Measures all; the exit status says whether a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="once each, without stock: to see that it runs"
    )
    quick: bool = parser.parse_args().quick
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    results: Results = {asked.key: Measured() for asked in ASKED}
    rounds, times, hours = (1, 3, 1) if quick else (5, 9, 3)
    if not quick:
        console.print("stock: some minutes, as each /profit takes 50 s or more")
        measure_stock(results)
    with Trial("room") as t:
        for number in range(rounds):
            console.print(f"cold, again, delisted and {CALLERS} callers: {number + 1} of {rounds}")
            measure_round(results, t, times)
        console.print(f"an hour of silence, {hours} times")
        measure_hours(results, t, hours)
    check(results)
    findings = table(results)
    report.show(console, [asked.row for asked in ASKED], findings.figures, COLUMNS)
    for note in findings.notes:
        console.print(f"• {note}", highlight=False)
    if not quick:
        write(findings)
    return 1 if report.failed(findings.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
