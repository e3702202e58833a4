"""`FirstAnswers`: what was used before the first answer, nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluicegate.clients.first_answer import PATIENCE, FirstAnswer

if TYPE_CHECKING:
    from sluicegate.ccxt.charge import Charge
    from sluicegate.ccxt.request import Request

_Key = tuple[int, str, str]


class FirstAnswers:
    """Lets the first request of each egress and account go alone, in each budget.

    A bot that is restarted asks for much at once, and its limits may be used up already. See
    `sluicegate.clients.first_answer.FirstAnswer`.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._waited_for: dict[_Key, FirstAnswer] = {}
        self._answered: set[_Key] = set()

    def is_over(self, charge: Charge) -> bool:
        """Whether nobody has to wait any more: asked for each request, and nearly always so."""
        charge.is_answered = (id(charge.budget), charge.egress, charge.account) in self._answered
        return charge.is_answered

    def _of(self, charge: Charge) -> FirstAnswer | None:
        key = (id(charge.budget), charge.egress, charge.account)
        if key in self._answered:
            return None
        # Each of these is one step of Python's own: no lock, which a fork could leave behind.
        first = self._waited_for.setdefault(key, FirstAnswer())
        if not first.is_answered:
            return first
        self._answered.add(key)
        self._waited_for.pop(key, None)
        return None

    def wait(self, request: Request) -> None:
        """Waits in a thread for the first answer, for 2 s at most, unless this is the first."""
        if request.charge is not None and (first := self._of(request.charge)) is not None:
            request.first = first
            request.is_first = first.turn(PATIENCE)

    async def wait_async(self, request: Request) -> None:
        """The same in an event loop."""
        if request.charge is not None and (first := self._of(request.charge)) is not None:
            request.first = first
            request.is_first = await first.turn_async(PATIENCE)
