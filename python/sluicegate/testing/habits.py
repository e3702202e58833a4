"""`Habits`: how an exchange tells what it counted, and how long to wait: rightly, or not at all."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluicegate.testing.server_clock import ServerClock, http_date
from sluicegate.testing.values import HEADER, is_number, shown

FORMATS = ("seconds", "date", "milliseconds", "none")
"""How `Retry-After` may be written."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the answers of an exchange look like, where exchanges differ.

    Args:
        retry_after: What the header `Retry-After` of an answer with 429 or 418 says: `seconds`, the
            default, are whole ones, rounded up, at least 1; `date` is an HTTP date by the
            exchange's clock; `milliseconds` are what dYdX writes there; `none` sends no header. A
            number is sent as it is, right or wrong: 0, -5, 1e12.
        headers: Headers with the units used, by name of limit, under another name than the table's;
            `""` leaves the header out. The name `*` stands for all limits that are not named.

    Raises:
        ValueError: A value is not as above.
    """

    retry_after: str | float = "seconds"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.retry_after not in FORMATS and not is_number(self.retry_after):
            raise ValueError(
                f"retry_after must be one of {', '.join(FORMATS)}, or a number to send as it is, "
                f"got {shown(self.retry_after)}"
            )
        if not isinstance(self.headers, Mapping):
            raise ValueError(
                'headers must be names by limit, such as {"REQUEST_WEIGHT": "X-Used"}, '
                f"got {shown(self.headers)}"
            )
        for limit, name in self.headers.items():
            if name != "" and not (isinstance(name, str) and HEADER.fullmatch(name)):
                raise ValueError(
                    f"header of {limit!r} must be the name of an HTTP header such as "
                    f"'X-Used-Weight', or '' for none, got {shown(name)}"
                )

    def header(self, limit: str, usual: str | None) -> str | None:
        """The name of the header of a limit that is usually named so; None if there is none."""
        name = self.headers.get(limit, self.headers.get("*", usual) if usual else usual)
        return name or None

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the arguments."""
        return asdict(self)


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


def told(retry_after: str | float, wait: int, now: int, clock: ServerClock) -> Told:
    """What is told to a client that has to wait.

    Args:
        retry_after: In which way (see `Habits`).
        wait: Nanoseconds from `now`.
        now: The instant of the verdict.
        clock: The exchange's own time.
    """
    if retry_after == "none":
        return Told()
    if retry_after == "seconds":
        seconds = max(1, math.ceil(wait / 1e9))
        return Told(str(seconds), seconds * 1_000_000_000)
    if retry_after == "milliseconds":
        milliseconds = max(1, math.ceil(wait / 1e6))
        return Told(str(milliseconds), milliseconds * 1_000_000)
    if retry_after == "date":
        wall = clock.wall(now)
        second = -(-(wall + wait) // 1_000_000_000) * 1_000_000_000
        return Told(http_date(second), until=now + second - wall)
    assert not isinstance(retry_after, str)
    text = f"{retry_after:.0f}" if float(retry_after).is_integer() else repr(retry_after)
    return Told(text, round(retry_after * 1e9))
