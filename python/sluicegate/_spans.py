"""Time spans for people: in few letters, and in the unit that suits them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def span(seconds: float) -> str:
    """How long something has lasted or is to last, such as ``"19.7 s"``, ``"3 min"``, ``"25.2 h"``.

    Args:
        seconds: How long it is. Empty for none.
    """
    if seconds <= 0:
        return ""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} d" if seconds != float("inf") else "ever"


def window(seconds: float) -> str:
    """The length of a window, such as ``"0.1 s"``, ``"63 s"``, ``"25.2 h"``, ``"30 d"``.

    Args:
        seconds: How long it is.
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.4g} s"
    for length, unit in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= 2 * length:
            return f"{seconds / length:.4g} {unit}"
    return f"{seconds / _MINUTE:.4g} min"
