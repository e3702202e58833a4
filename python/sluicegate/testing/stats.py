"""`Statistics`: what a stand-in exchange counted, as plain values that JSON can hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """What one limit saw.

    Attributes:
        name: The limit's name in the table. Where each symbol (or other key) has a count of its
            own, it has the key, as in `ORDERS [BTC-USDT]`; an endpoint's own limit has its id.
        limit: Units that a window may hold, as of now.
        interval: Length of the window, in seconds.
        worst_window: Most units that arrived within any window of the limit's kind: all that was
            sent counts, also what was rejected or banned, and what others sent. At most `limit` for
            a bot that keeps to the limit, and that has it for itself.
        used: Units that count against the limit now.
        mean: Mean units in a window. Of a rolling one: of its level, from one interval after the
            first request (until then it is filling up) until now. Of `fixed` and `first` ones: of
            those that have ended, without a first one that had begun before. Of a bucket: units in
            an interval, from one interval after the first request. None before that.
        timeline: (seconds since the first request, most units that counted in the slice of time
            which begins there), oldest first; between two entries the level stays. At most 2048
            entries: the longer it runs, the wider the slices.
        kind: The kind of the limit: `rolling`, `fixed`, `first`, `bucket` or `concurrent`.
        own_mean: As `mean`, but only requests of the client that were accepted. None if nobody else
            uses the limit, or before it can be told.
        others_mean: As `mean`, but only what others used (see `StandInExchange.set_others`); it is
            in `mean`, too. None if nobody else does, or before it can be told.
        others_timeline: As `timeline`, but only what others used.
    """

    name: str
    limit: int
    interval: float
    worst_window: int
    used: int
    mean: float | None
    timeline: tuple[tuple[float, int], ...]
    kind: str = "rolling"
    own_mean: float | None = None
    others_mean: float | None = None
    others_timeline: tuple[tuple[float, int], ...] = ()

    @property
    def share(self) -> float | None:
        """Mean share of the limit that was used, 0 to 1 (see `mean`); by others, too."""
        return None if self.mean is None else self.mean / self.limit

    @property
    def share_of_rest(self) -> float | None:
        """Mean share that the client used of what the others left, 0 to 1; None without others."""
        if self.own_mean is None or self.others_mean is None or self.others_mean >= self.limit:
            return None
        return self.own_mean / (self.limit - self.others_mean)


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
        limits: One entry for each limit, in the order of the table. Then one for each key of a
            limit by key, and for each endpoint's own limit, in the order of their first requests.
        failed: Requests that were failed on demand; they are among the accepted, too.
        calls: How many requests there were by `METHOD path`, such as `GET /api/v3/depth`, whatever
            they were answered. A request is in here once its answer is decided.
        too_early: Requests sent while their client was told to wait: after an answer that said so,
            and before the end of what it said. A 429 tells it of the limits that it was over, and a
            ban of all. What was under way when the answer left is not in here.
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
    too_early: int = 0

    def limit(self, name: str) -> LimitStatistics:
        """What the limit of this name saw.

        Raises:
            KeyError: The table has no such limit, or nobody used the key that it names.
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
                **{
                    **entry,
                    **{
                        name: tuple((at, used) for at, used in entry[name])
                        for name in ("timeline", "others_timeline")
                    },
                }
            )
            for entry in data["limits"]
        )
        return cls(**{**data, "limits": limits})
