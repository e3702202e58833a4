"""Converts Hummingbot's tables for the gate: whole units, valid intervals, text as ids."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from sluicegate import limits as core
from sluicegate.hummingbot.data_types import RateLimit

#: No limit.
ENDLESS = 1 << 62
#: The gate's longest interval, in seconds. Longer ones, and endless ones, count as this.
_LONGEST = 100 * 365 * 86_400.0
#: What a request takes: limits, and how much of each.
Takes = list[tuple[RateLimit, Any]]


def units_of(weight: Any) -> Any:
    """A weight in whole units: a part of a unit counts as a whole one, so that nothing goes over.

    What is no number, or no finite one, comes back as it is: the gate refuses it by its name.
    """
    try:
        return math.ceil(weight)
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        return weight


def row_of(
    limit: RateLimit, gate_id: str, margin: float, links: list[core.LinkedLimitWeightPair]
) -> core.RateLimit:
    """One limit, with its ids as the gate has them.

    Args:
        limit: The limit, its share taken already.
        gate_id: Its id at the gate.
        margin: Its units stay this share of the interval longer.
        links: What its requests take beside.
    """
    interval = float(limit.time_interval) * (1 + margin)
    units = int(limit.limit)
    if interval <= 0:
        # What counts for no time limits nothing.
        units, interval = ENDLESS, 1.0
    return core.RateLimit(gate_id, units, min(interval, _LONGEST), units_of(limit.weight), links)


def takes_of(row: core.RateLimit) -> list[tuple[str, int]]:
    """What a request for a gate's row takes: from which ids, and how much."""
    links = [(pair.limit_id, pair.weight) for pair in row.linked_limits or []]
    return [(row.limit_id, row.weight), *links]


class GateIds:
    """The ids of a table, each as a `str` of its own."""

    def __init__(self) -> None:
        """No ids yet."""
        self._gate: dict[Hashable, str] = {}
        self._own: dict[str, Hashable] = {}

    def of(self, limit_id: Any, known: Iterable[Hashable] = ()) -> str:
        """The gate's id: a `str` is its own, anything else becomes its repr.

        Args:
            limit_id: Hummingbot's id.
            known: Ids that the new one must not be taken for.
        """
        if isinstance(limit_id, str):
            return limit_id
        if limit_id not in self._gate:
            name = repr(limit_id)
            while name in self._own or name in known:
                name += f" ({type(limit_id).__name__})"
            self._gate[limit_id] = name
            self._own[name] = limit_id
        return self._gate[limit_id]

    def own(self, gate_id: str) -> Any:
        """Hummingbot's id, from the gate's."""
        return self._own.get(gate_id, gate_id)


class LimitMap(dict[Any, RateLimit]):
    """``_id_to_limit_map``: a change of it changes the gate's table."""

    def __init__(
        self, limits: dict[Any, RateLimit], use: Callable[[dict[Any, RateLimit]], None]
    ) -> None:
        """A map of these limits.

        Args:
            limits: The limits by their ids.
            use: Called with the changed map before a change is made; may refuse it.
        """
        super().__init__(limits)
        self._use = use

    def __reduce_ex__(self, _protocol: object) -> tuple[type, tuple[dict[Any, RateLimit]]]:
        """A copy is a plain dict."""
        return (dict, (dict(self),))


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def changing(self: LimitMap, *args: Any, **kwargs: Any) -> Any:
        changed = dict(self)
        result = method(changed, *args, **kwargs)
        if changed != dict(self) or any(changed[key] is not self[key] for key in changed):
            self._use(changed)
            dict.clear(self)
            dict.update(self, changed)
        return self if name == "__ior__" else result

    changing.__name__ = name
    changing.__doc__ = method.__doc__
    return changing


for _name in ("__setitem__", "__delitem__", "__ior__"):
    setattr(LimitMap, _name, _changing(_name))
for _name in ("clear", "pop", "popitem", "setdefault", "update"):
    setattr(LimitMap, _name, _changing(_name))
