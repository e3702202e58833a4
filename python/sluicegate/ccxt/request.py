"""`Request`: one HTTP request of an exchange object, from before it waits until its answer."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluicegate import Task, Throttler


class Request:
    """What is known of a request, and what it holds.

    Attributes:
        exchange: The object that makes it.
        path: As ccxt has it, such as `ticker/24hr`.
        api: The section of ccxt's list of endpoints, such as `public`.
        method: `GET`, `POST`, …
        params: What the user and ccxt put into query and body.
    """

    __slots__ = ("api", "exchange", "held", "method", "params", "path", "takes")

    def __init__(self, exchange: Any, path: str, api: Any, method: str, params: Any) -> None:
        """It takes nothing yet."""
        self.exchange = exchange
        self.path = path
        self.api = api
        self.method = method
        self.params = params
        self.held: list[Task] = []
        self.takes: list[tuple[Throttler, str]] = []

    def leave(self) -> None:
        """The answer is there, or there will be none: what is held goes into the window."""
        held, self.held = self.held, []
        for task in reversed(held):
            task.__exit__(None, None, None)


#: The request that this thread or task is making.
CURRENT: ContextVar[Request | None] = ContextVar("sluicegate_ccxt_request", default=None)
