"""Runs loaders so that each key is loaded once at a time, and stores the values or errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from sluicegate._core import TTLCache
from sluicegate.cache import deadlocks
from sluicegate.cache.flights import Flight, Load, Outcome
from sluicegate.errors import NotLoadedError

K = TypeVar("K")
V = TypeVar("V")

MISSING: Final[Any] = object()


class Lookup:
    """The keys that one call asks for: what is known of each, and which must be loaded."""

    def __init__(self) -> None:
        """Nothing was looked up yet."""
        #: By key, in the order in which the keys were asked for.
        self.outcomes: dict[Any, Outcome] = {}
        #: Keys to load before the call returns.
        self.missing: list[Any] = []
        #: Keys with a value that must be loaded again in the background.
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


class LoadState:
    """The settings of loading, and the loads under way. Each copy of a cache gets its own."""

    def __init__(
        self, error_ttl: Any, error_types: Any, refresh_ahead: Any, executor: Executor | None
    ) -> None:
        """Nothing is being loaded yet."""
        self.settings = (error_ttl, error_types, refresh_ahead)
        self.given_executor = executor
        #: The cache's own executors, by process id: a forked process has no thread of its parent.
        #: Only atomic methods of the dict are used, so that a fork finds nothing locked.
        self.executors: dict[int, Executor] = {}
        #: By key. Only atomic methods of the dict are used, so that no lock is held while keys are
        #: compared.
        self.flights: dict[Any, Flight] = {}

    def __copy__(self) -> LoadState:
        """The same settings, without the loads under way."""
        return LoadState(*self.settings, self.given_executor)


class SingleFlightCache(TTLCache[K, V]):
    """A cache that loads each key once at a time, and shares the outcome among all waiters."""

    _loading: LoadState
    _errors: TTLCache[K, Exception, Any] | None
    _failed: TTLCache[K, None, Any] | None

    def _load(
        self, lookup: Lookup, loader: Callable[..., Any], *, single: bool, anew: bool = False
    ) -> None:
        while lookup.missing:
            load = Load(loader, single, None)
            try:
                joined = self._claim(lookup, load, anew)
                if load.flights:
                    with deadlocks.waiting(lookup.missing[0], load):
                        self._run(load)
            except BaseException:
                self._abandon(load)
                raise
            for key, flight in load.flights.items():
                lookup.outcomes[key] = cast("Outcome", flight.future.result())
            lookup.missing = []
            for key, flight in joined.items():
                outcome = self._wait(key, flight)
                if outcome is None:
                    lookup.missing.append(key)
                else:
                    lookup.outcomes[key] = outcome

    async def _aload(
        self, lookup: Lookup, loader: Callable[..., Any], *, single: bool, anew: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        while lookup.missing:
            load = Load(loader, single, loop)
            task = None
            try:
                joined = self._claim(lookup, load, anew)
                if load.flights:
                    task = self._begin(load)
            except BaseException:
                self._abandon(load)
                raise
            lookup.missing = []
            for key, flight in (load.flights | joined).items():
                if flight.future.done():
                    # All keys of a load complete together: only the first of them must be awaited.
                    outcome = flight.future.result()
                else:
                    deadlocks.check_thread(key, flight.load)
                    with deadlocks.waiting(key, flight.load):
                        outcome = await flight.join()
                if outcome is not None:
                    lookup.outcomes[key] = outcome
                elif task is not None and flight.load is load and load.failure is not None:
                    if not task.cancelled():
                        task.exception()  # raised here: asyncio need not log it as well
                    raise load.failure
                else:
                    lookup.missing.append(key)

    def _wait(self, key: K, flight: Flight) -> Outcome | None:
        if flight.future.done():
            # Perhaps by this thread, which may have run the load for another of its keys.
            return flight.future.result()
        load = flight.load
        if load.take():
            # A refresh that has not begun: this thread runs it, and waits for no executor.
            self._run(load)
            return flight.future.result()
        deadlocks.check_thread(key, load)
        deadlocks.check_loop(key, load)
        with deadlocks.waiting(key, load):
            return flight.wait()

    def _claim(self, lookup: Lookup, load: Load, anew: bool) -> dict[Any, Flight]:
        """Add a flight for each key that has none, and return the flights of the others."""
        joined: dict[Any, Flight] = {}
        for key in lookup.missing:
            # Recorded first: an interrupt after the next line must not leave waiters behind.
            mine = load.flights[key] = Flight(load)
            flight = self._claim_key(key, mine)
            if flight is not mine:
                del load.flights[key]
                joined[key] = flight
                continue
            entry = self._entry(key)
            if entry is None:
                continue
            mine.stamp = entry[2]
            if not anew:
                # Another load of the key has just ended.
                lookup.outcomes[key] = Outcome(entry[0], None)
                del load.flights[key]
                self._drop(key, mine)
                mine.complete(lookup.outcomes[key])
        self._count(joined=len(joined))
        return joined

    def _claim_key(self, key: K, mine: Flight) -> Flight:
        """Return the flight that the key has; if it has none, `mine`, which becomes its flight."""
        flights = self._loading.flights
        while (flight := flights.setdefault(key, mine)) is not mine and flight.load.is_dead():
            self._drop(key, flight)
            # After a fork, the waiters and the locks of the flight are those of the other process.
            if not flight.load.is_left_behind():
                flight.complete(None)
        return flight

    def _run(self, load: Load) -> None:
        load.thread = threading.get_ident()
        token = deadlocks.current.set(load)
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
                deadlocks.current.reset(token)
            self._finish(load, result, failed, perf_counter() - began)
        except BaseException as error:
            load.failure = error
            raise
        finally:
            self._abandon(load)

    def _begin(self, load: Load) -> asyncio.Task[None]:
        return load.begin(self._arun(load, load.take_loader()), partial(self._abandon, load))

    async def _arun(self, load: Load, loader: Callable[..., Any]) -> None:
        deadlocks.current.set(load)
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
            self._finish(load, result, failed, perf_counter() - began)
        except BaseException as error:
            load.failure = error
            raise

    def _finish(self, load: Load, result: Any, failed: bool, seconds: float) -> None:
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
            # Stored before it is dropped: a caller in between finds the value or the flight.
            self._drop(key, flight)
            flight.complete(outcome)
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
        """Store a loaded value, unless another was stored since the load began."""
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
        """Complete what has no outcome, so that its waiters begin again."""
        for key, flight in load.flights.items():
            if not flight.future.done():
                self._drop(key, flight)
                flight.complete(None)
