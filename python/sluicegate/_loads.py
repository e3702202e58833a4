"""Running loads, each key once at a time, and keeping how they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from sluicegate import _flights
from sluicegate._core import TTLCache
from sluicegate._flights import Flight, Load, Outcome
from sluicegate.errors import NotLoadedError

K = TypeVar("K")
V = TypeVar("V")

MISSING: Final[Any] = object()


class Plan:
    """What is known, and what is not, of the keys that one call asks for."""

    def __init__(self) -> None:
        self.outcomes: dict[Any, Outcome] = {}
        self.missing: list[Any] = []
        self.due: list[Any] = []

    def result(self, return_exceptions: bool) -> dict[Any, Any]:
        """All values in the order in which the keys were asked for; or the first error."""
        result = {}
        for key, (value, error) in self.outcomes.items():
            if error is None:
                result[key] = value
            elif return_exceptions:
                result[key] = error
            else:
                raise error
        return result


class Loading:
    """What a cache needs for loading, apart from what it holds. A copy of a cache gets its own."""

    def __init__(
        self, error_ttl: Any, error_types: Any, refresh_ahead: Any, executor: Executor | None
    ) -> None:
        self.settings = (error_ttl, error_types, refresh_ahead)
        self.given_executor = executor
        #: The cache's own, by process: threads do not come along when a process is forked. Only
        #: its atomic methods are used, so that a fork finds nothing locked.
        self.executors: dict[int, Executor] = {}
        #: Only its atomic methods are used, so that no lock is held while keys are compared.
        self.flights: dict[Any, Flight] = {}

    def __copy__(self) -> Loading:
        return Loading(*self.settings, self.given_executor)

    def __reduce__(self) -> tuple[Any, ...]:
        # An executor cannot be copied.
        return (Loading, (*self.settings, None))


class Loads(TTLCache[K, V]):
    """A cache whose keys are loaded, each once at a time, for whoever waits for them."""

    _loading: Loading
    _errors: TTLCache[K, Exception, Any] | None
    _failed: TTLCache[K, None, Any] | None

    def _load(
        self, plan: Plan, loader: Callable[..., Any], *, single: bool, anew: bool = False
    ) -> None:
        while plan.missing:
            load = Load(loader, single, None)
            try:
                joined = self._claim(plan, load, anew)
                if load.flights:
                    with _flights.waiting(plan.missing[0], load):
                        self._run(load)
            except BaseException:
                self._abandon(load)
                raise
            for key, flight in load.flights.items():
                plan.outcomes[key] = cast("Outcome", flight.future.result())
            plan.missing = []
            for key, flight in joined.items():
                outcome = self._wait(key, flight)
                if outcome is None:
                    plan.missing.append(key)
                else:
                    plan.outcomes[key] = outcome

    async def _aload(
        self, plan: Plan, loader: Callable[..., Any], *, single: bool, anew: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        while plan.missing:
            load = Load(loader, single, loop)
            task = None
            try:
                joined = self._claim(plan, load, anew)
                if load.flights:
                    task = self._begin(load)
            except BaseException:
                self._abandon(load)
                raise
            plan.missing = []
            for key, flight in (load.flights | joined).items():
                if flight.future.done():
                    # The keys of a load land together: only the first of them is waited for.
                    outcome = flight.future.result()
                else:
                    _flights.check_thread(key, flight.load)
                    with _flights.waiting(key, flight.load):
                        outcome = await flight.join()
                if outcome is not None:
                    plan.outcomes[key] = outcome
                elif task is not None and flight.load is load and load.failure is not None:
                    if not task.cancelled():
                        task.exception()  # raised here: no need for asyncio to log it as well
                    raise load.failure
                else:
                    plan.missing.append(key)

    def _wait(self, key: K, flight: Flight) -> Outcome | None:
        if flight.future.done():
            # Perhaps by this very thread: it may have run the load for another of its keys.
            return flight.future.result()
        load = flight.load
        if load.take():
            # A renewal that is still in the queue: no reason to stand in line with it.
            self._run(load)
            return flight.future.result()
        _flights.check_thread(key, load)
        _flights.check_loop(key, load)
        with _flights.waiting(key, load):
            return flight.wait()

    def _claim(self, plan: Plan, load: Load, anew: bool) -> dict[Any, Flight]:
        """Take charge of the keys that nobody is loading, and return the flights of the others."""
        joined: dict[Any, Flight] = {}
        for key in plan.missing:
            # Noted first: an interrupt after the next line must not leave others waiting.
            mine = load.flights[key] = Flight(load)
            flight = self._take_off(key, mine)
            if flight is not mine:
                del load.flights[key]
                joined[key] = flight
                continue
            entry = self._entry(key)
            if entry is None:
                continue
            mine.stamp = entry[2]
            if not anew:
                # Somebody else's load has just ended.
                plan.outcomes[key] = Outcome(entry[0], None)
                del load.flights[key]
                self._drop(key, mine)
                mine.land(plan.outcomes[key])
        self._count(joined=len(joined))
        return joined

    def _take_off(self, key: K, mine: Flight) -> Flight:
        """Put a flight on its way, and return it; or the one that is on its way already."""
        flights = self._loading.flights
        while (flight := flights.setdefault(key, mine)) is not mine and flight.load.is_dead():
            self._drop(key, flight)
            # Who waited for what a fork left behind, and its locks, stayed in the other process.
            if not flight.load.is_left_behind():
                flight.land(None)
        return flight

    def _run(self, load: Load) -> None:
        load.thread = threading.get_ident()
        token = _flights.current.set(load)
        began = perf_counter()
        try:
            loader, keys = load.take_loader(), list(load.flights)
            try:
                result = loader(keys[0] if load.single else keys)
            except Exception as error:
                result = error
                failed = True
            else:
                failed = False
            finally:
                _flights.current.reset(token)
            self._land(load, result, failed, perf_counter() - began)
        except BaseException as error:
            load.failure = error
            raise
        finally:
            self._abandon(load)

    def _begin(self, load: Load) -> asyncio.Task[None]:
        return load.begin(self._arun(load, load.take_loader()), partial(self._abandon, load))

    async def _arun(self, load: Load, loader: Callable[..., Any]) -> None:
        _flights.current.set(load)
        began = perf_counter()
        try:
            keys = list(load.flights)
            try:
                result = await loader(keys[0] if load.single else keys)
            except Exception as error:
                result = error
                failed = True
            else:
                failed = False
            self._land(load, result, failed, perf_counter() - began)
        except BaseException as error:
            load.failure = error
            raise

    def _land(self, load: Load, result: Any, failed: bool, seconds: float) -> None:
        if not failed and not load.single and not isinstance(result, Mapping):
            kind = type(result).__name__
            result = TypeError(
                f"a batch loader must return a mapping of keys to values, not {kind}"
            )
            failed = True
        errors = 0
        for key, flight in load.flights.items():
            try:
                outcome = self._outcome(load, key, result, failed)
                if outcome.error is None:
                    self._keep(key, outcome.value, flight.stamp)
            except Exception as error:
                outcome = Outcome(None, error)
            if outcome.error is not None:
                errors += 1
                self._remember(key, outcome.error)
            # First stored, then no longer under way: who comes in between finds either.
            self._drop(key, flight)
            flight.land(outcome)
        self._count(loads=len(load.flights), errors=errors, seconds=seconds)

    @staticmethod
    def _outcome(load: Load, key: K, result: Any, failed: bool) -> Outcome:
        if failed:
            return Outcome(None, result)
        if load.single:
            return Outcome(result, None)
        value = result.get(key, MISSING)
        if value is MISSING:
            return Outcome(None, NotLoadedError(key))
        if isinstance(value, Exception):
            return Outcome(None, value)
        return Outcome(value, None)

    def _keep(self, key: K, value: V, stamp: int) -> None:
        """Store what was loaded, unless somebody has stored something since the load began."""
        entry = self._entry(key)
        if entry is None or entry[2] == stamp:
            # A value that is too large is returned all the same.
            with suppress(ValueError):
                self[key] = value
        for failures in (self._errors, self._failed):
            if failures is not None:
                failures.pop(key, None)

    def _remember(self, key: K, error: Exception) -> None:
        if self._errors is not None and isinstance(error, self._loading.settings[1]):
            self._errors[key] = error
        if self._failed is not None:
            self._failed[key] = None

    def _drop(self, key: K, flight: Flight) -> None:
        flights = self._loading.flights
        if flights.get(key) is flight:
            flights.pop(key, None)

    def _abandon(self, load: Load) -> None:
        """Let those who wait for it begin again; nothing, if it has ended well."""
        for key, flight in load.flights.items():
            if not flight.future.done():
                self._drop(key, flight)
                flight.land(None)
