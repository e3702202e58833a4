"""`Hold`: the time for which a client was told to wait."""

REACTION = 50_000_000
"""Nanoseconds in which a client may read an answer, while others of its requests are leaving."""


class Hold:
    """From when until when requests are too early.

    It begins a moment (`REACTION`) after the answer left that says so: what leaves the client in
    that moment has passed the answer on its way.
    """

    __slots__ = ("_since", "_until")

    def __init__(self) -> None:
        """Nobody was told to wait."""
        self._since = self._until = -(1 << 63)

    def tell(self, now: int, until: int) -> None:
        """An answer leaves now that says to wait until an instant. Of several, the latest holds."""
        if now >= self._until:
            self._since = now + REACTION
        self._until = max(self._until, until)

    def covers(self, sent: int) -> bool:
        """Whether a request that is sent at this instant is too early."""
        return self._since <= sent < self._until
