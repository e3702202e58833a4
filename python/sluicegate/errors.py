"""The classes of sluicegate's own errors.

For wrong arguments, sluicegate raises `ValueError` or `TypeError`.
"""

from __future__ import annotations


class UnknownLimitError(KeyError):
    """No limit has the id that was asked for.

    Attributes:
        limit_id: The id asked for.
        closest: The id of the table that looks most like it; ``None`` if none does.
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
        limit_id: The id that the request was for.
        timeout: For how many seconds it waited.
        full_limit: The id of the limit that had no room for the request. If several had none, it is
            the one that has room last. ``None`` if only older requests were in the way.
        retry_after: The seconds until that limit has room, at the earliest. ``None`` if that
            depends on requests in flight, or if ``full_limit`` is ``None``.
    """

    def __init__(
        self,
        message: str,
        limit_id: str,
        timeout: float,
        full_limit: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Made by sluicegate."""
        super().__init__(message, limit_id, timeout, full_limit, retry_after)
        self.limit_id = limit_id
        self.timeout = timeout
        self.full_limit = full_limit
        self.retry_after = retry_after

    def __str__(self) -> str:
        """The message alone."""
        return str(self.args[0])


class StoreError(Exception):
    """The store of a shared budget cannot be used. The message says why, and what helps."""


class ClosedError(RuntimeError):
    """The throttler was closed: what it had of a shared budget was given back."""


class NotLoadedError(KeyError):
    """A batch loader returned nothing for a key that it was asked for."""

    def __str__(self) -> str:
        """The message, with the key."""
        return f"the batch loader returned nothing for {self.args[0]!r}"
