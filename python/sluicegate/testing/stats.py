"""`Statistics`: what a stand-in exchange counted, as plain values that JSON can hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """What one limit saw.

    Attributes:
        name: The limit's name in the table.
        limit: Units that a window may hold.
        interval: Length of the window, in seconds.
        worst_window: Most units that arrived within any window: all that was sent counts, also what
            was rejected or banned. At most `limit` for a bot that keeps to the limit.
        used: Units that count against the limit now.
        mean: Mean units in the window, from one interval after the first one (until then it is
            filling up) until now; None before that.
        timeline: (seconds since the first request, most units that counted in the slice of time
            which begins there), oldest first; between two entries the level stays. At most 2048
            entries: the longer it runs, the wider the slices.
    """

    name: str
    limit: int
    interval: float
    worst_window: int
    used: int
    mean: float | None
    timeline: tuple[tuple[float, int], ...]

    @property
    def share(self) -> float | None:
        """Mean share of the limit that was used, 0 to 1 (see `mean`)."""
        return None if self.mean is None else self.mean / self.limit


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the whole exchange saw, since it started or was reset.

    Attributes:
        requests: All requests that arrived.
        accepted: Requests that were within all limits, also those to unknown paths.
        rejected: Requests answered 429.
        banned: Requests answered 418.
        bans: Bans that were begun.
        first_rejection: Seconds from the first request to the first one that was over a limit; None
            if there was none.
        first_ban: Seconds from the first request to the beginning of the first ban, or None.
        elapsed: Seconds from the first request until now; 0.0 before it.
        limits: One entry for each limit, in the order of the table.
        failed: Requests that were failed on demand; they are among the accepted, too.
        calls: How many requests there were by `METHOD path`, such as `GET /api/v3/depth`, whatever
            they were answered. A request is in here once its answer is decided.
    """

    requests: int
    accepted: int
    rejected: int
    banned: int
    bans: int
    first_rejection: float | None
    first_ban: float | None
    elapsed: float
    limits: tuple[LimitStatistics, ...]
    failed: int = 0
    calls: Mapping[str, int] = field(default_factory=dict, hash=False)

    def limit(self, name: str) -> LimitStatistics:
        """What the limit of this name saw.

        Raises:
            KeyError: The table has no such limit.
        """
        for limit in self.limits:
            if limit.name == name:
                return limit
        known = ", ".join(repr(limit.name) for limit in self.limits)
        raise KeyError(f"no limit {name!r}: the table has {known}")

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the attributes."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Statistics":
        """The statistics that `to_json` wrote, also after a trip through JSON."""
        limits = tuple(
            LimitStatistics(
                **{**entry, "timeline": tuple((at, used) for at, used in entry["timeline"])}
            )
            for entry in data["limits"]
        )
        return cls(**{**data, "limits": limits})
