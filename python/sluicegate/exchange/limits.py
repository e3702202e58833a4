"""`Limits`: checks the calls of one exchange object by its rules, and sends or refuses them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sluicegate.errors import UnknownLimitError
from sluicegate.exchange.book import Book
from sluicegate.exchange.gate import Gate, Pass
from sluicegate.exchange.names import EVERYTHING, IO_API, Names
from sluicegate.exchange.priorities import CallPriorities
from sluicegate.exchange.requests import REQUEST, are_counted, follow
from sluicegate.exchange.rules import Rule
from sluicegate.exchange.waits import Waits

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("sluicegate.exchange")

Call = Callable[..., Any]


class Limits:
    """The limits of one exchange object.

    Args:
        inner: The object.
        names: Its functions.
        book: The rules, and whom to ask.
        hold: ``"start"`` if calls count from when they are sent; ``"response"`` if they count until
            they are answered, too.
        asynchronous: Whether its functions give awaitables; ``None`` to check each of them.
        refusal: What is raised for a call that is over a limit; ``None`` to return ``None``.
        changed: Called with every call that is limited from now on.
        priorities: Who goes first of the calls that wait.
    """

    def __init__(
        self,
        inner: Any,
        names: Names,
        book: Book,
        hold: str,
        asynchronous: bool | None,
        refusal: type[Exception] | None,
        changed: Callable[[dict[str, Call]], None],
        priorities: CallPriorities,
    ) -> None:
        """Limits nothing before it joins the book."""
        self.inner = inner
        self.names = names
        self.book = book
        self.last_error: str | None = None
        self.holds = hold == "response"
        self.asynchronous = asynchronous
        self.refusal = refusal
        self.priorities = priorities
        self._changed = changed
        self._gates: dict[str, Gate] = {}
        self._calls: dict[str, Call] = {}
        follow(self)

    @property
    def counts_requests(self) -> bool:
        """Whether a rule covers each request, rather than each call."""
        return REQUEST in self._gates

    # ---- what the book asks

    def calls(self, rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
        """The calls that some of the rules cover, with the functions they are charged to.

        A rule that names ``Go`` covers all calls through it, beside those that name what it runs.
        """
        functions = {function for rule in rules for function in rule.functions}
        covered = self.names.methods(functions)
        if EVERYTHING in functions and are_counted(self.inner):
            covered[REQUEST] = (EVERYTHING,)
        if "Go" in functions:
            by_go = {through_go(method): (*of, "Go") for method, of in covered.items()}
            return {**covered, **by_go, through_go(""): ("Go",)}
        return covered

    def priority(self, call: str) -> int:
        """Who goes first of the calls that wait."""
        if call.startswith(_THROUGH_GO):
            return self.priorities.of(call.removeprefix(_THROUGH_GO), "Go")
        return self.priorities.of(call)

    def follow(self, gates: dict[str, Gate]) -> None:
        """Has every call pass its gate from now on; those with none are not limited."""
        self._gates = gates
        names = [name for name in gates if name != REQUEST and not name.startswith(_THROUGH_GO)]
        self._calls = {name: self._calls.get(name) or self._call(name) for name in names}
        self._changed({name: call for name, call in self._calls.items() if name != IO_API})

    # ---- calls

    def io_api(self) -> Call:
        """``IO`` as ``IO("api", …)`` calls it."""
        call: Call = self._calls.get(IO_API) or self.inner.IO
        return call

    def is_asynchronous(self, method: str) -> bool:
        """Whether a method gives an awaitable."""
        if self.asynchronous is not None:
            return self.asynchronous
        function = inspect.unwrap(self.method(method))
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004
        )

    def method(self, method: str) -> Call:
        """A method of the object, as it is now."""
        found: Call = getattr(self.inner, "IO" if method == IO_API else method)
        return found

    def _call(self, name: str) -> Call:
        """A method that is limited; it is looked up anew for each call."""
        asynchronous = self.is_asynchronous(name)
        held = self._held_asynchronous(name) if asynchronous else self._held(name)
        if self.holds:
            return held
        return self._sent_asynchronous(name, held) if asynchronous else self._sent(name, held)

    def _sent(self, name: str, held: Call) -> Call:
        """A call that counts from its start; nearly always there is room, and no more to do."""
        inner, method = self.inner, ("IO" if name == IO_API else name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return (getattr(inner, method) if self._may(name) else held)(*args, **kwargs)

        return call

    def _sent_asynchronous(self, name: str, held: Call) -> Call:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await (self.method(name) if self._may(name) else held)(*args, **kwargs)

        return call

    def _may(self, name: str) -> bool:
        gate = self._gates.get(name)
        try:
            return gate is None or gate.may()
        except UnknownLimitError:
            # The rules were changed meanwhile.
            return False

    def _held(self, name: str) -> Call:
        """A call that may wait, and counts until it is over where the throttler wants that."""

        def call(*args: Any, **kwargs: Any) -> Any:
            entered = self.enter(name)
            if entered is None:
                return None
            with entered:
                return self.method(name)(*args, **kwargs)

        return call

    def _held_asynchronous(self, name: str) -> Call:
        async def call(*args: Any, **kwargs: Any) -> Any:
            entered = await self.enter_async(name)
            if entered is None:
                return None
            with entered:
                return await self.method(name)(*args, **kwargs)

        return call

    # ---- entering

    def enter(self, name: str, *, wait: bool = True, priority: int | None = None) -> Pass | None:
        """Enters the gate of a call, in this thread; ``None`` if the call must not be sent.

        Args:
            name: The call.
            wait: Whether to wait where the rules delay. Otherwise the refusal is not logged.
            priority: That of this call, if it is not that of all by this name.
        """
        while gate := self._gates.get(name):
            try:
                with self._counted(name) as counted:
                    entered = counted.entered = gate.enter(wait=wait, priority=priority)
                if entered is None and wait:
                    self._refuse(name, gate)
            except UnknownLimitError:
                # The rules were changed meanwhile.
                self.book.repair()
                continue
            return entered
        return Pass()

    async def enter_async(self, name: str, *, priority: int | None = None) -> Pass | None:
        """Enters the gate of a call, in an event loop; see `enter`."""
        while gate := self._gates.get(name):
            try:
                with self._counted(name) as counted:
                    entered = counted.entered = await gate.enter_async(priority=priority)
                if entered is None:
                    self._refuse(name, gate)
            except UnknownLimitError:
                self.book.repair()
                continue
            return entered
        return Pass()

    def gate_through_go(self, method: str) -> str:
        """The call whose gate a method must pass if ``Go`` calls it."""
        names = (through_go(method), method, through_go(""))
        return next((name for name in names if name in self._gates), method)

    def may_wait(self, name: str) -> bool:
        """Whether a call may wait for its turn, rather than not be sent."""
        gate = self._gates.get(name)
        return gate is not None and any(rule.delay for rule in gate.rules)

    def _counted(self, name: str) -> _Counted:
        return _Counted(self.book.waits, name.removeprefix(_THROUGH_GO))

    def _refuse(self, name: str, gate: Gate) -> None:
        self.last_error = f"{name.removeprefix(_THROUGH_GO)} was not sent: {gate.why()}"
        waits = self.book.waits
        if waits is None:
            log.error("%s", self.last_error)
        else:
            waits.refuse(name.removeprefix(_THROUGH_GO))
        if self.refusal is not None:
            raise self.refusal(self.last_error)


class _Counted:
    """One wait of a call, which is counted if `waits` is given."""

    __slots__ = ("_name", "_token", "_waits", "entered")

    def __init__(self, waits: Waits | None, name: str) -> None:
        self._waits, self._name = waits, name
        self.entered: Pass | None = None

    def __enter__(self) -> Self:
        self._token = None if self._waits is None else self._waits.begin()
        return self

    def __exit__(self, *_: object) -> None:
        if self._waits is not None:
            self._waits.end(self._token, None if self.entered is None else self._name)


_THROUGH_GO = "Go "


def through_go(method: str) -> str:
    """The call of a method by ``Go``, where rules limit that apart."""
    return _THROUGH_GO + method
