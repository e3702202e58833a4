"""Limits that ``throttler.IO("rate", limit_id, max_calls, period)`` adds beside its table's."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sluicegate._core import Throttler, parse_period
from sluicegate.exchange.names import EVERYTHING, closest
from sluicegate.exchange.rules import read_behavior, read_count, read_mode
from sluicegate.limits import LinkedLimitWeightPair, RateLimit

_NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class AddedLimit:
    """At most so many requests for some ids, together, in each period.

    A request that takes from several of the ids, or much from one, counts once: these are calls.

    Attributes:
        id: The limit's own id, such as ``"IO rate:/depth"``: mode and ids say what it stands for.
        limit_ids: The ids. A pool's stands for every request that takes from the pool.
        limit: The limit; ``None`` once it was taken away, when its ids are known all the same.
    """

    id: str
    limit_ids: frozenset[str]
    limit: RateLimit | None

    def covers(self, takes_from: Iterable[str]) -> bool:
        """Whether a request that takes from these ids is one that it counts."""
        everything = EVERYTHING in self.limit_ids
        return self.limit is not None and (everything or not self.limit_ids.isdisjoint(takes_from))


def read_added_limit(
    mode: Any, limit_id: Any, max_calls: Any, period: Any, behavior: Any, timezone: Any
) -> AddedLimit:
    """What the arguments of ``IO`` make; see `add_limit`.

    Raises:
        TypeError: Something of the wrong type.
        ValueError: Something that cannot be. The message shows it and says what would be right.
    """
    read_mode(mode)
    limit_ids = _read_ids(limit_id)
    read_behavior(behavior)
    name = f"IO {mode}:{','.join(sorted(limit_ids))}"
    if max_calls is None:
        return AddedLimit(name, limit_ids, None)
    calls = read_count(max_calls)
    if period is None:
        raise TypeError(f'a period is missing: write IO("{mode}", "{limit_id}", {calls}, "1s")')
    quota = mode == "quota"
    parse_period(period, quota=quota)
    kind: Literal["quota", "rolling"] = "quota" if quota else "rolling"
    return AddedLimit(name, limit_ids, RateLimit(name, calls, period, kind=kind, timezone=timezone))


def _read_ids(text: Any) -> frozenset[str]:
    must = f"limit_id must be an id, several as 'a,b', or '*' for all, not {text!r}"
    if not isinstance(text, str):
        raise TypeError(must)
    limit_ids = frozenset(part.strip() for part in text.split(","))
    if "" in limit_ids:
        raise ValueError(must)
    return frozenset((EVERYTHING,)) if EVERYTHING in limit_ids else limit_ids


def warn_of_slips(limit_ids: frozenset[str], known: Iterable[str]) -> None:
    """Warns of an id that is in no table, but looks like one that is."""
    known = list(known)
    for limit_id in sorted(limit_ids - {EVERYTHING, *known}):
        close = closest(limit_id, known)
        if close is not None:
            warnings.warn(
                f"no limit has the id {limit_id!r} so far; did you mean {close!r}? The new limit "
                f"counts requests for {limit_id!r} only",
                RuntimeWarning,
                stacklevel=3,
            )


def beside(table: Iterable[RateLimit], added: Iterable[AddedLimit]) -> list[RateLimit]:
    """A table in which the requests of some added limits take from these, too.

    Ids that it does not have come in without a limit of their own.
    """
    added = list(added)
    rows = {row.limit_id: row for row in table}
    for each in added:
        for limit_id in sorted(each.limit_ids - {EVERYTHING}):
            rows.setdefault(limit_id, RateLimit(limit_id, _NO_LIMIT, 1, weight=0))
    limits = [each.limit for each in added if each.limit is not None]
    return [*(_linked(row, added) for row in rows.values()), *limits]


def _linked(row: RateLimit, added: list[AddedLimit]) -> RateLimit:
    links = row.linked_limits or []
    takes_from = {row.limit_id, *(link.limit_id for link in links)}
    more = [LinkedLimitWeightPair(each.id, 1) for each in added if each.covers(takes_from)]
    return replace(row, linked_limits=[*links, *more])


def add_limit(
    throttler: Throttler,
    mode: str,
    limit_id: str,
    max_calls: int | None,
    period: str | None = None,
    behavior: str | None = None,
    *,
    timezone: str | None = None,
) -> None:
    """Limits the requests for an id, beside what limits them already.

    Of a `sluicegate.Throttler` it becomes a part of the table: the throttler's share and margin
    apply to it, and `Throttler.set_rate_limits` replaces it with the rest. Hummingbot's throttler
    has a method ``IO`` that does all of this, and is asked instead.

    Args:
        throttler: The throttler. Its waiters keep their places.
        mode: ``"rate"`` for any window of that length, ``"quota"`` for those between two resets.
        limit_id: The id; several with commas between them, which share the budget; or ``"*"`` for
            all of the table. A pool's id counts every request that takes from the pool, once each.
            An id that the throttler does not have, it has from now on.
        max_calls: How many requests fit; ``None`` takes away what was added for this mode and ids.
        period: Such as ``"100ms"`` or, for a quota, ``"@0815"``.
        behavior: ``"delay"`` or ``None``, which are the same here: requests always wait.
        timezone: The IANA name of a quota's time zone; ``None`` for the machine's.

    Raises:
        TypeError: Something of the wrong type; nothing has changed.
        ValueError: Something that cannot be; nothing has changed.
    """
    io = getattr(throttler, "IO", None)
    if io is not None:
        io(mode, limit_id, max_calls, period, behavior, timezone=timezone)
        return
    added = read_added_limit(mode, limit_id, max_calls, period, behavior, timezone)
    table = throttler.rate_limits
    if max_calls is not None:
        warn_of_slips(added.limit_ids, (row.limit_id for row in table))
    if added.limit is None and all(row.limit_id != added.id for row in table):
        return
    throttler.set_rate_limits(beside(_without(table, added.id), [added]))


def _without(table: list[RateLimit], added_id: str) -> list[RateLimit]:
    def unlinked(row: RateLimit) -> RateLimit:
        links = [link for link in row.linked_limits or [] if link.limit_id != added_id]
        return replace(row, linked_limits=links)

    return [unlinked(row) for row in table if row.limit_id != added_id]
