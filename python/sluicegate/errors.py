"""What sluicegate raises, beside `ValueError` and `TypeError` for bad input."""

from __future__ import annotations


class UnknownLimitError(KeyError):
    """No limit has the id that was asked for.

    Attributes:
        limit_id: The id asked for.
        closest: The id of the table that looks most like it; ``None`` where none does.
    """

    def __init__(self, message: str, limit_id: str, closest: str | None) -> None:
        """Made by sluicegate."""
        super().__init__(message, limit_id, closest)
        self.limit_id = limit_id
        self.closest = closest

    def __str__(self) -> str:
        """The message as it is, where `KeyError` would show its repr."""
        return str(self.args[0])


class RateLimitTimeout(TimeoutError):  # noqa: N818 - like TimeoutError, its base
    """A request could not pass within its ``timeout``.

    Nothing was charged, and the request has left the queue.

    Attributes:
        limit_id: The id requested.
        timeout: For how many seconds it waited.
    """

    def __init__(self, message: str, limit_id: str, timeout: float) -> None:
        """Made by sluicegate."""
        super().__init__(message, limit_id, timeout)
        self.limit_id = limit_id
        self.timeout = timeout

    def __str__(self) -> str:
        """The message alone."""
        return str(self.args[0])


class NotLoadedError(KeyError):
    """A batch loader returned nothing for a key that it was asked for."""

    def __str__(self) -> str:
        """Say which."""
        return f"the batch loader returned nothing for {self.args[0]!r}"
