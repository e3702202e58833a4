"""`ServerClock`: where an answer tells the time of the server's clock."""

from dataclasses import dataclass
from typing import get_args

from sluicegate.tables.told_time import TimeFormat
from sluicegate.tables.values import HEADER, check_text, check_word, shown

RESOLUTION = {"http-date": 1.0, "epoch-seconds": 1.0, "epoch-ms": 1e-3}
"""Seconds between two times that a format can tell."""


@dataclass(frozen=True, slots=True)
class ServerClock:
    """Where an answer tells the time at which it was made.

    Args:
        header: The name of a header.
        path: The path of an endpoint whose body tells it, together with `field`.
        field: The field of that body, such as `serverTime` or `data.ts`.
        format: How it is written: `http-date`, `epoch-seconds` or `epoch-ms`.
        source: Where it is documented: a key of the table's `sources`.

    Raises:
        ValueError: A value is not as above.
    """

    header: str = ""
    path: str = ""
    field: str = ""
    format: str = "http-date"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("header", "path", "field"):
            check_text(f"{name} of a clock", getattr(self, name))
        if bool(self.header) == bool(self.path and self.field):
            raise ValueError("a clock needs a header, or a path and a field, and not both")
        if self.header and not HEADER.fullmatch(self.header):
            raise ValueError(
                f"header of a clock must be the name of an HTTP header, got {shown(self.header)}"
            )
        known = tuple(name for name in get_args(TimeFormat) if name in RESOLUTION)
        check_word("format of a clock", self.format, known)


DATE = ServerClock("Date")
"""The clock of every HTTP server."""
