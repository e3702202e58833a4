"""What every scenario measures with: rounds that alternate, and rolling windows."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benches.report import Figure, Row

SECOND = 1_000_000_000

Passes = Callable[[int], Awaitable[None]]
"""Makes so many passes, one after another."""


@dataclass
class Plan:
    """How much to measure.

    Args:
        quick: A tenth of everything, to see that it runs: its figures are not worth quoting.
        seconds: The length of every timed run, in place of each scenario's own.
        step: Called with what is about to be measured.
    """

    quick: bool
    seconds: float | None
    step: Callable[[str], None]

    def timed(self, seconds: float, quick: float) -> float:
        """The length of a timed run."""
        if self.seconds is not None:
            return self.seconds
        return quick if self.quick else seconds

    def count(self, full: int, quick: int) -> int:
        """How often something is repeated, or how many of something there are."""
        return quick if self.quick else full


@dataclass
class Findings:
    """What a scenario found."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, row: Row, library: str, text: str, met: bool | None = None, wrong: bool = False
    ) -> None:
        """Adds one cell of the table. `wrong`: a promise was broken, not just a target missed."""
        self.figures.append(Figure(row.key, library, text, met, wrong))

    @contextmanager
    def forgiving(self, library: str) -> Iterator[None]:
        """Notes an error in place of figures: one library shall not keep out the others."""
        try:
            yield
        except Exception as error:
            self.notes.append(f"{library} failed: {type(error).__name__}: {error}")


async def stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks, and raises what any of them has failed with before."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@contextmanager
def steady() -> Iterator[None]:
    """Keeps the garbage collector out, for everybody alike, with nothing left from before."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        gc.collect()


@dataclass(frozen=True)
class Spread:
    """The median of a ratio over all rounds, and its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """As in `1.02 (1.00 to 1.05)`."""
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


async def one_round(contestants: Mapping[str, Passes], passes: int, turn: int) -> dict[str, float]:
    """Lets each contestant make so many passes, beginning with another one each turn.

    Returns:
        The nanoseconds of one pass, by contestant.
    """
    names = list(contestants)
    first = turn % len(names)
    times: dict[str, float] = {}
    for name in names[first:] + names[:first]:
        make = contestants[name]
        begin = time.perf_counter_ns()
        await make(passes)
        times[name] = (time.perf_counter_ns() - begin) / passes
    return times


def ratio(rounds: Sequence[Mapping[str, float]], of: str, to: str) -> Spread:
    """The ratio of two contestants, taken within each round: what slows the machine slows both."""
    ratios = [times[of] / times[to] for times in rounds]
    if len(ratios) < 2:
        return Spread(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Spread(median, low, high)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def worst_window(instants: Sequence[int], interval: int) -> int:
    """The most instants in any half-open window of the interval. They need not be in order."""
    ordered = sorted(instants)
    worst = first = 0
    for last, instant in enumerate(ordered):
        while ordered[first] <= instant - interval:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def tightest(instants: Sequence[int], limit: int, interval: int) -> int | None:
    """How much longer than the interval, in nanoseconds, the closest `limit + 1` instants take.

    Negative where a window was over its limit; None where there were too few instants to tell.
    """
    ordered = sorted(instants)
    spans = [late - early for early, late in zip(ordered, ordered[limit:], strict=False)]
    return min(spans) - interval if spans else None


def over(instants: Sequence[int], limit: int, interval: int) -> int:
    """How many came when the window held as many as it may already."""
    ordered = sorted(instants)
    first = count = 0
    for last, instant in enumerate(ordered):
        while ordered[first] <= instant - interval:
            first += 1
        count += last - first + 1 > limit
    return count
