"""`Header`: a response header that tells how much of a limit is used or left, or until when."""

from dataclasses import dataclass
from typing import get_args

from sluicegate.tables.told_time import TimeFormat
from sluicegate.tables.values import HEADER, shown

TELLS = ("used", "remaining", "limit", "reset")
"""What a header may tell."""


@dataclass(frozen=True, slots=True)
class Header:
    """A response header that tells something of a limit.

    Args:
        name: The header's name; case does not matter.
        tells: `used` (units in the window, this request included), `remaining` (units left),
            `limit` (units that fit in the window) or `reset` (when the window ends).
        format: How a `reset` is written: `seconds` or `ms` (to go), `epoch-seconds` or `epoch-ms`
            (an instant of the server's clock). All else is a number of units, and has no format.
        source: Where it is documented: a key of the table's `sources`. A limit's own header may go
            without: its limit has one.

    Raises:
        ValueError: A value is not as above.
    """

    name: str
    tells: str = "used"
    format: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.name, str) or not HEADER.fullmatch(self.name):
            raise ValueError(
                "a header needs the name of an HTTP header such as 'X-Used-Weight' (with no space, "
                f"colon or line break), got {shown(self.name)}"
            )
        if self.tells not in TELLS:
            raise ValueError(
                f"header {self.name!r} tells {shown(self.tells)}: it must be one of "
                f"{', '.join(TELLS)}"
            )
        known = [name for name in get_args(TimeFormat) if name not in ("retry-after", "http-date")]
        if self.tells == "reset" and self.format not in known:
            raise ValueError(
                f"header {self.name!r} tells a reset in the format {shown(self.format)}: it must "
                f"be one of {', '.join(known)}"
            )
        if self.tells != "reset" and self.format != "":
            raise ValueError(
                f"header {self.name!r} tells a number of units and has no format, "
                f"got {shown(self.format)}"
            )
