"""`Habits`: how an exchange tells what it counted, and how long to wait: rightly, or not at all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluicegate.tables import names
from sluicegate.tables.values import HEADER, is_number, is_whole, shown
from sluicegate.testing.told import FORMATS


@dataclass(frozen=True, slots=True)
class Habits:
    """What the answers of an exchange look like, where exchanges differ.

    Args:
        retry_after: What the header `Retry-After` says, where the table has one: `seconds` are
            whole ones, rounded up, at least 1; `http-date` is a date by the exchange's clock; `ms`
            are milliseconds, as dYdX writes them there; `none` sends no header. A number is sent as
            it is, right or wrong: 0, -5, 1e12. None, the default, is what the table says.
        headers: Headers that tell what is used, by their names in the table: the name that is sent
            instead, or `""` to leave the header out. `{"*": ""}` leaves out all of them.
        style: The name of a ready-made table, whose refusals stand instead of the table's own:
            `kraken`, `okx` and `bybit` say it in the body.
        status: The HTTP status of refusals, such as 200; None, the default, is what the table says.

    Raises:
        ValueError: A value is not as above.
    """

    retry_after: str | float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    style: str = ""
    status: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        given = self.retry_after
        if given is not None and given not in FORMATS and not is_number(given):
            raise ValueError(
                f"retry_after must be one of {', '.join(FORMATS)}, or a number to send as it is, "
                f"got {shown(given)}"
            )
        if not isinstance(self.headers, Mapping):
            raise ValueError(
                'headers must be names by name, such as {"X-MBX-USED-WEIGHT-1M": "X-Used"}, '
                f"got {shown(self.headers)}"
            )
        for header, name in self.headers.items():
            if name != "" and not (isinstance(name, str) and HEADER.fullmatch(name)):
                raise ValueError(
                    f"the name to send for {shown(header)} must be that of an HTTP header such as "
                    f"'X-Used-Weight', or '' to leave it out, got {shown(name)}"
                )
        if self.headers.get("*"):
            raise ValueError(
                f"'*' stands for all headers, and can only be '', got {shown(self.headers['*'])}"
            )
        if self.style != "" and self.style not in names():
            raise ValueError(
                f"style must be the name of a ready-made table, one of {', '.join(names())}, "
                f"got {shown(self.style)}"
            )
        if self.status is not None and not (is_whole(self.status) and 200 <= self.status <= 599):
            raise ValueError(
                f"status must be an HTTP status from 200 to 599, got {shown(self.status)}"
            )

    def name(self, header: str) -> str:
        """The name that is sent for a header of the table; empty if it is left out."""
        if not self.headers:
            return header
        return "" if "*" in self.headers else self.headers.get(header, header)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the arguments."""
        return asdict(self)
