"""`Rule`: one ``exchange.IO("rate" | "quota", …)``, and the checks of its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sluicegate._core import check_timezone, parse_period
from sluicegate.exchange.names import Names, closest
from sluicegate.limits import RateLimit

Mode = Literal["rate", "quota"]
MODES = ("rate", "quota")
BEHAVIORS = ("delay",)
_MISSING: Any = object()


@dataclass(frozen=True)
class Rule:
    """At most ``max_calls`` calls of some functions, together, in each ``period``.

    Attributes:
        mode: ``"rate"`` for any window of that length, ``"quota"`` for those between two resets.
        functions: The functions that share the budget.
        max_calls: How many calls fit; ``None`` for a rule that takes the rule away.
        period: The length of the window, or the time of the reset.
        delay: Whether calls over the limit wait for their turn; otherwise they are not sent.
        timezone: The time zone of the resets; ``None`` for the machine's.
    """

    mode: Mode
    functions: frozenset[str]
    max_calls: int | None
    period: str
    delay: bool
    timezone: str | None

    @property
    def id(self) -> str:
        """What it is a rule for: of two rules with the same id, the later one stands."""
        return f"{self.mode}:{','.join(sorted(self.functions))}"

    def covers(self, functions: tuple[str, ...]) -> bool:
        """Whether a call that is charged to these functions is one of its own."""
        return not self.functions.isdisjoint(functions)

    def limit(self) -> RateLimit:
        """The limit that all of its calls share."""
        assert self.max_calls is not None
        return RateLimit(
            self.id,
            self.max_calls,
            self.period,
            kind="quota" if self.mode == "quota" else "rolling",
            timezone=self.timezone if self.mode == "quota" else None,
        )

    def __str__(self) -> str:
        """The rule as its user would say it."""
        return (
            f"{','.join(sorted(self.functions))}: {self.max_calls} per {self.period} ({self.mode})"
        )


def read_rule(
    names: Names,
    timezone: str | None,
    mode: Any,
    function_names: Any = _MISSING,
    max_calls: Any = _MISSING,
    period: Any = _MISSING,
    behavior: Any = None,
) -> Rule:
    """The rule that the arguments of ``IO`` make.

    Args:
        names: The functions of the object.
        timezone: The time zone of quotas; ``None`` for the machine's.
        mode: ``"rate"`` or ``"quota"``.
        function_names: One name, several with commas between them, or ``"*"``.
        max_calls: How many calls fit in a period; ``None`` takes the rule away.
        period: Such as ``"100ms"`` or, for a quota, ``"@0815"``.
        behavior: ``"delay"`` for calls that wait for their turn.

    Raises:
        TypeError: Too few arguments, or one of the wrong type.
        ValueError: An argument that cannot be. The message shows it and says what would be right.
    """
    example = f'IO("{mode}", "GetTicker", 10, "1s")'
    read_mode(mode)
    if timezone is not None:
        check_timezone(timezone)
    if function_names is _MISSING:
        raise TypeError(f"function names, a count and a period are missing: write {example}")
    functions = names.read(function_names)
    if max_calls is None:
        return Rule(mode, functions, None, "", False, timezone)
    if max_calls is _MISSING or period is _MISSING:
        missing = "a period is" if max_calls is not _MISSING else "a count and a period are"
        raise TypeError(f"{missing} missing: write {example}")
    calls = read_count(max_calls)
    parse_period(period, quota=mode == "quota")
    return Rule(mode, functions, calls, period, read_behavior(behavior), timezone)


def read_mode(mode: Any) -> None:
    """Checks a mode.

    Raises:
        ValueError: An unknown mode. The message names the closest one.
    """
    if not isinstance(mode, str) or mode not in MODES:
        close = closest(mode, MODES) if isinstance(mode, str) else None
        hint = f"; did you mean {close!r}?" if close else ""
        raise ValueError(f"the mode must be 'rate' or 'quota', not {mode!r}{hint}")


def read_count(max_calls: Any) -> int:
    """A count of calls: a whole number from 1.

    Raises:
        TypeError: No number.
        ValueError: 0 or less, or a number with a fraction.
    """
    must = f"the count of calls must be a whole number from 1, or None, not {max_calls!r}"
    if isinstance(max_calls, bool) or not isinstance(max_calls, (int, float)):
        raise TypeError(f"{must} ({type(max_calls).__name__})")
    if not max_calls >= 1 or max_calls % 1 != 0:
        raise ValueError(must)
    return int(max_calls)


def read_behavior(behavior: Any) -> bool:
    """Whether calls over the limit wait.

    Raises:
        TypeError: Neither ``None`` nor a ``str``.
        ValueError: An unknown behaviour.
    """
    if behavior is None:
        return False
    must = f"the behavior must be 'delay', or left out, not {behavior!r}"
    if not isinstance(behavior, str):
        raise TypeError(must)
    if behavior not in BEHAVIORS:
        close = closest(behavior, BEHAVIORS)
        raise ValueError(f"{must}; did you mean {close!r}?" if close else must)
    return True
