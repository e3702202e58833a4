"""`Outcome`: the figures of one run of the demo, as the exchange and as the bots counted them."""

from dataclasses import dataclass

from sluicegate.demo.bots import Tally
from sluicegate.testing import Limit, LimitStatistics, Statistics


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run, as the exchange and as the bots saw it.

    Attributes:
        name: What held the bots back.
        seconds: Length of the run.
        exchange: The exchange's own statistics.
        bots: What the bots saw.
    """

    name: str
    seconds: float
    exchange: Statistics
    bots: Tally

    def waits(self, group: str | None = None) -> list[float]:
        """Seconds that requests waited at the gate: those of a group, or all."""
        return [x.seconds for x in self.bots.waits if group in (None, x.group)]

    @property
    def refused(self) -> int:
        """Requests that were answered 429 or 418."""
        return self.exchange.rejected + self.exchange.banned

    def reachable(self, limit: str) -> float:
        """Share of a limit that could be used at most without ever being over it.

        A request may count at any instant until it is answered, so its units are held from when it
        leaves until one interval after its answer. They count at the exchange for one interval of
        that time.
        """
        interval = self.exchange.limit(limit).interval
        return interval / (interval + mean(self.bots.answers))


WAITING = {
    "cancel": "cancels",
    "order": "orders",
    "account": "account questions",
    "market": "market data",
    "": "other requests",
}
"""What the groups of requests are called, from those that go first to those that go last."""


def window(limit: Limit | LimitStatistics) -> str:
    """In which time a limit counts, as in `in any 6 s`."""
    if limit.kind == "concurrent":
        return "at once"
    if limit.kind == "rolling":
        return f"in any {limit.interval:g} s"
    if limit.kind == "bucket":
        return f"at once, and as many more each {limit.interval:g} s"
    begin = "of its clock" if limit.kind == "fixed" else "from the first request"
    return f"in {limit.interval:g} s {begin}"


def tightest(outcome: Outcome) -> LimitStatistics:
    """The limit of which the run used the largest share."""
    return max(
        outcome.exchange.limits,
        key=lambda limit: limit.worst_window / limit.limit if limit.share is None else limit.share,
    )


def mean(values: list[float]) -> float:
    """The mean; 0.0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed; 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    # Nearest rank: always a value that was measured.
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]
