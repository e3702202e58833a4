"""`Request`: one HTTP request of an exchange object, from before it waits until its answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluicegate import Task
    from sluicegate.ccxt.charge import Charge
    from sluicegate.clients.first_answer import FirstAnswer
    from sluicegate.exchange.gate import Pass

_NOTHING: Mapping[str, Any] = {}


class Request:
    """What is known of a request, and what it holds.

    Attributes:
        exchange: The object that makes it.
        path: As ccxt has it, such as `ticker/24hr`.
        api: The section of ccxt's list of endpoints, such as `public`.
        method: `GET`, `POST`, …
        params: What the user and ccxt put into query and body.
        config: What ccxt's list of endpoints says that the request costs.
        charge: Where it is charged; ``None`` before that.
        priority: Who goes first; known where a pace or a rule of the user's asks for it.
        first: What lets the first request go alone; ``None`` once there was an answer.
        is_first: Whether it is the first one.
        sent: When it was let through, by `time.monotonic`; 0 before that.
    """

    __slots__ = (
        "_cost",
        "api",
        "charge",
        "config",
        "exchange",
        "first",
        "held",
        "is_first",
        "method",
        "params",
        "path",
        "priority",
        "sent",
    )

    def __init__(
        self,
        exchange: Any,
        path: str,
        api: Any,
        method: str,
        params: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """It takes nothing yet.

        Args:
            exchange: See above.
            path: See above.
            api: See above.
            method: See above.
            params: See above.
            args: What else ccxt gave to `fetch2`; what the endpoint costs is the last of these.
            kwargs: The same by name.
        """
        self.exchange = exchange
        self.path = path
        self.api = api
        self.method = method
        self.params = params
        self.first: FirstAnswer | None = None
        self.is_first = False
        self.held: list[Task | Pass] = []
        self.charge: Charge | None = None
        # The last that is given: versions differ in what comes before it.
        self.config: Any = args[-1] if args else kwargs.get("config")
        self._cost: float | None = None
        self.priority = 0
        self.sent = 0.0

    @classmethod
    def of_cost(cls, exchange: Any, cost: float | None) -> Request:
        """A request of which only the cost is known; 1 by default."""
        request = cls(exchange, "", None, "", _NOTHING)
        request._cost = 1 if cost is None else cost
        return request

    @property
    def cost(self) -> float:
        """What it costs by ccxt's own list of endpoints."""
        if self._cost is None:
            cost = self.exchange.calculate_rate_limiter_cost(
                self.api, self.method, self.path, self.params, self.config or {}
            )
            self._cost = 1 if cost is None else cost
        return self._cost

    def answered(self) -> None:
        """The exchange has answered, and what it said is known."""
        if self.first is not None:
            self.first.answered()

    def leave(self) -> None:
        """The answer is there, or there will be none: what is held goes into the window."""
        if self.first is not None:
            self.first.end(self.is_first)
        held = self.held
        while held:
            held.pop().__exit__(None, None, None)


#: The request that this thread or task is making.
CURRENT: ContextVar[Request | None] = ContextVar("sluicegate_ccxt_request", default=None)
