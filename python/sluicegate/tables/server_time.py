"""`ServerTime`: what the server's clock showed when it made an answer."""

import time
from collections.abc import Callable, Sequence

from sluicegate.tables.answer import Body, HeaderGetter
from sluicegate.tables.server_clock import ServerClock
from sluicegate.tables.told_time import WRITTEN, told_instant

LATEST = 8e9
"""Later instants, of the year 2223, are not believed."""


class ServerTime:
    """The time of one answer, read when it is asked for, and once.

    Args:
        in_body: The clock in the body of this answer; None if its endpoint has none.
        by_header: The clocks in headers.
        get: Finds a header of the answer.
        body: The body of the answer.
        unknown: Is told what cannot be read: where, the text and the format.
    """

    __slots__ = ("_body", "_by_header", "_found", "_get", "_in_body", "_read", "_unknown")

    def __init__(
        self,
        in_body: ServerClock | None,
        by_header: Sequence[ServerClock],
        get: HeaderGetter,
        body: Body,
        unknown: Callable[[str, str, str], None],
    ) -> None:
        """Reads nothing yet."""
        self._in_body, self._by_header = in_body, by_header
        self._get, self._body, self._unknown = get, body, unknown
        self._read = False
        self._found: tuple[float, ServerClock] | None = None

    @property
    def told(self) -> tuple[float, ServerClock] | None:
        """Seconds since 1970 of the server's clock, and where they were told."""
        if not self._read:
            self._found = self._look()
            self._read = True
        return self._found

    def until(self, instant: float) -> float:
        """Seconds from now until an instant of the server's clock; too many rather than too few.

        Without the server's time, this machine's is all there is.
        """
        told = self.told
        return instant - (time.time() if told is None else told[0])

    def _look(self) -> tuple[float, ServerClock] | None:
        if self._in_body is not None:
            for text in self._body.values(self._in_body.field)[:1]:
                instant = self._instant(self._in_body, self._in_body.field, text)
                if instant is not None:
                    return instant, self._in_body
        for clock in self._by_header:
            date = self._get(clock.header.lower())
            if date is not None:
                instant = self._instant(clock, clock.header, date)
                if instant is not None:
                    return instant, clock
        return None

    def _instant(self, clock: ServerClock, where: str, text: str) -> float | None:
        instant = told_instant(text, clock.format)
        if instant is not None and 0 < instant < LATEST:
            return instant
        self._unknown(where, text, WRITTEN[clock.format])
        return None
