"""`Request`: one HTTP request of an exchange object, from before it waits until its answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluicegate import Task
    from sluicegate.ccxt.charge import Charge
    from sluicegate.ccxt.plan import Take
    from sluicegate.clients.first_answer import FirstAnswer
    from sluicegate.exchange.gate import Pass
    from sluicegate.exchange.limits import Limits

_NOTHING: Mapping[str, Any] = {}


class Request:
    """What is known of a request, and what it holds.

    Attributes:
        exchange: The object that makes it.
        path: As ccxt has it, such as `ticker/24hr`.
        api: The section of ccxt's list of endpoints, such as `public`.
        method: `GET`, `POST`, …
        params: What the user and ccxt put into query and body.
        config: What ccxt's list of endpoints says that the request costs, as ccxt gave it.
        charge: Where it is charged; ``None`` before that.
        priority: Who goes first; known where a pace or a rule of the user's asks for it.
        first: What lets the first request go alone; ``None`` once there was an answer.
        is_first: Whether it is the first one.
        task: What it holds, where that is one thing; ``None`` for nothing.
        held: What it holds besides.
        rest: The user's rules for all requests, and what it takes, where that is more than one id.
        pacing_to_come: Whether ccxt has yet to ask for the pace of this request, which has waited
            for it already.
        is_heard: Whether its answer was heard, which the user's own method may still be given.
        sent: When it was let through, by `time.monotonic`; 0 before that.
    """

    # What most requests do not change is here once for all: one is made for each request.
    charge: Charge | None = None
    first: FirstAnswer | None = None
    is_first = False
    is_heard = False
    pacing_to_come = True
    priority = 0
    rest: tuple[Sequence[Limits], Iterable[Take]] = ((), ())
    sent = 0.0
    task: Task | None = None
    held: Sequence[Task | Pass] = ()
    _cost: float | None = None

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
        # The last that is given: versions differ in what comes before it.
        self.config: Any = args[-1] if args else kwargs.get("config")

    @classmethod
    def of_cost(cls, exchange: Any, cost: float | None) -> Request:
        """A request of which only the cost is known; 1 by default."""
        request = cls(exchange, "", None, "", _NOTHING)
        request._cost = request._checked(cost)
        return request

    @property
    def cost(self) -> float:
        """What it costs by ccxt's own list of endpoints.

        Raises:
            ValueError: That is no number, or one that nobody can wait for.
        """
        if self._cost is None:
            cost = self.exchange.calculate_rate_limiter_cost(
                self.api, self.method, self.path, self.params, self.listed
            )
            self._cost = self._checked(cost)
        return self._cost

    @property
    def listed(self) -> dict[str, Any]:
        """What ccxt's list of endpoints says of it; empty if nothing, or if it has no list."""
        # A user who calls `fetch2` of an older version may give headers and a body, and no more.
        return self.config if isinstance(self.config, dict) else {}

    def _checked(self, cost: Any) -> float:
        try:
            number = 1 if cost is None else cost if isinstance(cost, int | float) else None
            if number is None and not isinstance(cost, str | bytes):
                number = float(cost)
        except (TypeError, ValueError):
            number = None
        if number is None or not number < math.inf:
            name = f"{self.method} {self.path}" if self.path else "throttle()"
            raise ValueError(
                f"{name} of {self.exchange.id} costs {cost!r}: that must be a "
                "number, as in ccxt's list of endpoints"
            )
        return number

    def answered(self) -> None:
        """The exchange has answered, and what it said is known."""
        if self.first is not None:
            self.first.answered()

    def leave(self) -> None:
        """The answer is there, or there will be none: what is held goes into the window."""
        if self.first is not None:
            self.first.end(self.is_first)
        # A task that was started within it may still run, and is no part of it any more.
        self.charge = None
        if (task := self.task) is not None:
            self.task = None
            task.__exit__(None, None, None)
        if held := self.held:
            self.held = ()
            for one in reversed(held):
                one.__exit__(None, None, None)


#: The request that this thread or task is making, or within which the task was started.
CURRENT: ContextVar[Request | None] = ContextVar("sluicegate_ccxt_request", default=None)
