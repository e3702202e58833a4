"""`Told`: how long an answer says to wait, in the formats that exchanges use."""

import math
from dataclasses import dataclass

from sluicegate.testing.server_clock import ServerClock, http_date

FORMATS = ("seconds", "http-date", "ms", "none")
"""The formats of `Retry-After` that `Habits` may ask for. Bodies have others, too."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says about how long to wait.

    Attributes:
        text: What the header says; None if there is no header.
        wait: Nanoseconds from its receipt; None if it tells nothing, or an instant.
        until: The instant until which to wait; None if it tells nothing, or a time from now.
    """

    text: str | None = None
    wait: int | None = None
    until: int | None = None

    def end(self, received: int) -> int | None:
        """Until when a client waits that receives it at an instant; None if it need not."""
        if self.until is not None:
            return self.until
        return None if self.wait is None or self.wait <= 0 else received + self.wait


def told(form: str | float, wait: int, now: int, clock: ServerClock) -> Told:
    """What is told to a client that has to wait.

    Args:
        form: `seconds` or `retry-after` (whole ones, at least 1), `ms`, `epoch-seconds`,
            `epoch-ms`, `http-date`, all rounded up; `none`; or a number to tell as it is.
        wait: Nanoseconds from `now`.
        now: The instant of the verdict.
        clock: The exchange's own time.
    """
    if form == "none":
        return Told()
    if not isinstance(form, str):
        text = f"{form:.0f}" if float(form).is_integer() else repr(form)
        return Told(text, round(form * 1e9))
    unit = 1_000_000 if form in ("ms", "epoch-ms") else 1_000_000_000
    if form in ("seconds", "retry-after", "ms"):
        units = max(1, math.ceil(wait / unit))
        return Told(str(units), units * unit)
    wall = clock.wall(now)
    units = -(-(wall + wait) // unit)
    text = http_date(units * unit) if form == "http-date" else str(units)
    return Told(text, until=now + units * unit - wall)
