"""A cache that loads what it lacks: each key once at a time, whoever and however many ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Any, Final, Literal, TypeVar, cast, overload

from sluicegate import _flights
from sluicegate._core import TTLCache
from sluicegate._flights import Flight, Load, Outcome

K = TypeVar("K")
V = TypeVar("V")

__all__ = ["LoadingCache", "NotLoadedError"]

_MISSING: Final[Any] = object()

#: How many failed keys are remembered at most.
_MOST_ERRORS = 10_000


class NotLoadedError(KeyError):
    """A batch loader returned nothing for a key that it was asked for."""

    def __str__(self) -> str:
        """Say which."""
        return f"the batch loader returned nothing for {self.args[0]!r}"


class _Plan:
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


class _Loading:
    """What a cache needs for loading, apart from what it holds. A copy of a cache gets its own."""

    def __init__(
        self, error_ttl: Any, error_types: Any, refresh_ahead: Any, executor: Executor | None
    ) -> None:
        self.settings = (error_ttl, error_types, refresh_ahead)
        self.given_executor = executor
        self.executor = executor
        self.lock = threading.Lock()
        #: Only its atomic methods are used, so that no lock is held while keys are compared.
        self.flights: dict[Any, Flight] = {}

    def __copy__(self) -> _Loading:
        return _Loading(*self.settings, self.given_executor)

    def __reduce__(self) -> tuple[Any, ...]:
        # An executor cannot be copied.
        return (_Loading, (*self.settings, None))


class LoadingCache(TTLCache[K, V]):
    """A `TTLCache` that loads what it lacks.

    However many threads, tasks and event loops ask for a key at the same time, it is loaded once:
    the others wait for that load and share its outcome, be it a value or an error.

    Args:
        maxsize: As for `TTLCache`.
        ttl: As for `TTLCache`.
        timer: As for `TTLCache`.
        getsizeof: As for `TTLCache`.
        error_ttl: How long a failed load is remembered: meanwhile the same error is raised at once,
            without a load. 0: not at all.
        error_types: The errors that are remembered, if `error_ttl` is set.
        refresh_ahead: A value that is read when it has less than this time left is loaded again in
            the background; the reader gets the present one at once. A number below 1 is a share of
            the TTL, any other is a time like the TTL itself. None: never.
        executor: Runs the background loads that threads set off; by default one thread of the
            cache's own. (Event loops run theirs themselves.)
    """

    _loading: _Loading
    _margin: Any
    _errors: TTLCache[K, Exception, Any] | None
    _failed: TTLCache[K, None, Any] | None

    def __init__(
        self,
        maxsize: float = 100,
        ttl: Any = 300,
        timer: Callable[[], Any] | None = None,
        getsizeof: Callable[[V], float] | None = None,
        *,
        error_ttl: Any = 0,
        error_types: type[Exception] | tuple[type[Exception], ...] = Exception,
        refresh_ahead: Any = None,
        executor: Executor | None = None,
    ) -> None:
        """Make an empty cache."""
        super().__init__(maxsize, ttl, timer, getsizeof)
        self._prepare(_Loading(error_ttl, error_types, refresh_ahead, executor))

    def _prepare(self, loading: _Loading) -> None:
        error_ttl, _, ahead = loading.settings
        self._loading = loading
        self._margin = None
        if ahead is not None:
            share = isinstance(ahead, int | float) and ahead < 1
            self._margin = self.ttl * ahead if share else ahead
            if not self._margin < self.ttl or self._margin < 0 * self._margin:
                raise ValueError(
                    f"refresh_ahead must be less than the TTL ({self.ttl!r}), not {ahead!r}: "
                    "every value would be loaded again as soon as it is read"
                )
        self._errors = None
        if error_ttl:
            self._errors = TTLCache(_MOST_ERRORS, error_ttl, self.timer)
        self._failed = None
        if self._margin is not None:
            # A renewal that failed is not tried again at every read.
            self._failed = TTLCache(_MOST_ERRORS, self._margin / 4, self.timer)

    # -- the public methods -----------------------------------------------------------------------

    def get_or_load(self, key: K, loader: Callable[[K], V]) -> V:
        """Return the value of `key`; if there is none, what `loader(key)` returns, and store it.

        Raises:
            RuntimeError: If waiting could never end: a loader asks for the key that it loads, or
                the event loop of this very thread is loading it.
            Exception: What the loader raised; those who waited for it get it, too.
        """
        if self._margin is None:
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                return cast("V", value)
        plan = self._plan([key], known_missing=self._margin is None)
        if plan.due:
            self._renew(plan.due, Load(loader, True, None))
        self._load(plan, loader, single=True)
        return cast("V", plan.result(False)[key])

    async def aget_or_load(self, key: K, loader: Callable[[K], Awaitable[V]]) -> V:
        """Like `get_or_load`, for asyncio: `loader(key)` is awaited.

        The load is a task of its own. If the caller is cancelled, it goes on, for the others who
        wait for it and for the cache.
        """
        if self._margin is None:
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                return cast("V", value)
        plan = self._plan([key], known_missing=self._margin is None)
        if plan.due:
            self._renew(plan.due, Load(loader, True, asyncio.get_running_loop()))
        await self._aload(plan, loader, single=True)
        return cast("V", plan.result(False)[key])

    @overload
    def get_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V | Exception]],
        *,
        return_exceptions: Literal[False] = False,
    ) -> dict[K, V]: ...

    @overload
    def get_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V | Exception]],
        *,
        return_exceptions: bool,
    ) -> dict[K, V | Exception]: ...

    def get_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V | Exception]],
        *,
        return_exceptions: bool = False,
    ) -> Any:
        """Return the values of all `keys`; those that are missing are loaded in one call.

        `loader(missing)` returns a mapping. An exception as a value in it means that this key
        failed; so does a key that it lacks, with `NotLoadedError`. Keys that somebody else is
        loading are waited for instead. There may be more keys than the cache has room for.

        Raises:
            Exception: The error of the first key that failed, once all loads are done. With
                `return_exceptions`, errors are returned in place of values instead.
        """
        plan = self._plan(keys)
        if plan.due:
            self._renew(plan.due, Load(loader, False, None))
        self._load(plan, loader, single=False)
        return plan.result(return_exceptions)

    @overload
    async def aget_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        return_exceptions: Literal[False] = False,
    ) -> dict[K, V]: ...

    @overload
    async def aget_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        return_exceptions: bool,
    ) -> dict[K, V | Exception]: ...

    async def aget_many_or_load(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        return_exceptions: bool = False,
    ) -> Any:
        """Like `get_many_or_load`, for asyncio: `loader(missing)` is awaited."""
        plan = self._plan(keys)
        if plan.due:
            self._renew(plan.due, Load(loader, False, asyncio.get_running_loop()))
        await self._aload(plan, loader, single=False)
        return plan.result(return_exceptions)

    def warm(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V | Exception]],
        *,
        ahead: Any = None,
        error_ahead: Any = None,
    ) -> dict[K, Exception]:
        """Load those of `keys` that are missing, in one call, and return the errors.

        With `ahead`, so are those that have less than this time left. What failed is not tried
        again while its error is remembered or, with `error_ahead`, while it has more than this time
        left. What is present does not count as read, nor does it become recently used.
        """
        plan = self._plan_warming(keys, ahead, error_ahead)
        self._load(plan, loader, single=False, anew=True)
        return {key: error for key, (_, error) in plan.outcomes.items() if error is not None}

    async def awarm(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        ahead: Any = None,
        error_ahead: Any = None,
    ) -> dict[K, Exception]:
        """Like `warm`, for asyncio: `loader(missing)` is awaited."""
        plan = self._plan_warming(keys, ahead, error_ahead)
        await self._aload(plan, loader, single=False, anew=True)
        return {key: error for key, (_, error) in plan.outcomes.items() if error is not None}

    def due(self, keys: Iterable[K], *, ahead: Any = None, error_ahead: Any = None) -> list[K]:
        """Those of `keys` that `warm` would load now."""
        return self._plan_warming(keys, ahead, error_ahead).missing

    def error(self, key: K) -> Exception | None:
        """The error that is remembered for `key`; None if it has a value, or was not loaded."""
        if self._errors is None or self._entry(key) is not None:
            return None
        return self._errors.get(key)

    def forget_errors(self) -> None:
        """Let the next read of every failed key load again."""
        if self._errors is not None:
            self._errors.clear()
        if self._failed is not None:
            self._failed.clear()

    def close(self) -> None:
        """Give up the background loads that have not begun, and end the cache's own thread.

        Everything else goes on working. An executor that was given is left alone.
        """
        loading = self._loading
        with loading.lock:
            executor, loading.executor = loading.executor, loading.given_executor
        if executor is not None and executor is not loading.given_executor:
            executor.shutdown(wait=False, cancel_futures=True)

    # -- what is there, and what is not -----------------------------------------------------------

    def _plan(self, keys: Iterable[K], known_missing: bool = False) -> _Plan:
        plan = _Plan()
        for key in dict.fromkeys(keys):
            entry = None if known_missing else self._entry(key, True)
            if entry is not None:
                value, remaining, _ = entry
                plan.outcomes[key] = Outcome(value, None)
                if (
                    self._margin is not None
                    and remaining < self._margin
                    and not self._has_failed(key)
                ):
                    plan.due.append(key)
                continue
            error = None if self._errors is None else self._errors.get(key)
            # In place already, so that the result has the order of the keys.
            plan.outcomes[key] = Outcome(None, error)
            if error is None:
                plan.missing.append(key)
                continue
            self._count(error_hits=1)
            # Or each time it is raised its traceback would grow.
            error.with_traceback(None)
        return plan

    def _plan_warming(self, keys: Iterable[K], ahead: Any, error_ahead: Any) -> _Plan:
        plan = _Plan()
        for key in dict.fromkeys(keys):
            entry = self._entry(key)
            if entry is not None and (ahead is None or not entry[1] < ahead):
                continue
            error = None if self._errors is None else self._errors._entry(key)
            if error is None or (error_ahead is not None and error[1] < error_ahead):
                plan.missing.append(key)
            elif entry is None:
                plan.outcomes[key] = Outcome(None, error[0])
        return plan

    def _has_failed(self, key: K) -> bool:
        return self._failed is not None and key in self._failed

    # -- loading ----------------------------------------------------------------------------------

    def _load(
        self, plan: _Plan, loader: Callable[..., Any], *, single: bool, anew: bool = False
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
        self, plan: _Plan, loader: Callable[..., Any], *, single: bool, anew: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        while plan.missing:
            load = Load(loader, single, loop)
            try:
                joined = self._claim(plan, load, anew)
                if load.flights:
                    load.task = loop.create_task(self._arun(load))
            except BaseException:
                self._abandon(load)
                raise
            plan.missing = []
            for key, flight in (load.flights | joined).items():
                _flights.check_thread(key, flight.load)
                with _flights.waiting(key, flight.load):
                    outcome = await asyncio.wrap_future(flight.future)
                if outcome is not None:
                    plan.outcomes[key] = outcome
                elif flight.load is load and load.failure is not None:
                    raise load.failure
                else:
                    plan.missing.append(key)

    def _wait(self, key: K, flight: Flight) -> Outcome | None:
        load = flight.load
        if load.take():
            # A renewal that is still in the queue: no reason to stand in line with it.
            self._run(load)
            return flight.future.result()
        _flights.check_thread(key, load)
        _flights.check_loop(key, load)
        with _flights.waiting(key, load):
            return flight.future.result()

    def _claim(self, plan: _Plan, load: Load, anew: bool) -> dict[Any, Flight]:
        """Take charge of the keys that nobody is loading, and return the flights of the others."""
        flights = self._loading.flights
        joined: dict[Any, Flight] = {}
        for key in plan.missing:
            # Noted first: an interrupt after the next line must not leave others waiting.
            mine = load.flights[key] = Flight(load)
            flight = flights.setdefault(key, mine)
            while flight is not mine and flight.load.is_dead():
                self._drop(key, flight)
                flight.land(None)
                flight = flights.setdefault(key, mine)
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

    def _run(self, load: Load) -> None:
        load.thread = threading.get_ident()
        token = _flights.current.set(load)
        began = perf_counter()
        try:
            keys = list(load.flights)
            try:
                result = load.loader(keys[0] if load.single else keys)
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

    async def _arun(self, load: Load) -> None:
        _flights.current.set(load)
        began = perf_counter()
        try:
            keys = list(load.flights)
            try:
                result = await load.loader(keys[0] if load.single else keys)
            except Exception as error:
                result = error
                failed = True
            else:
                failed = False
            self._land(load, result, failed, perf_counter() - began)
        except BaseException as error:
            load.failure = error
            raise
        finally:
            self._abandon(load)

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
        value = result.get(key, _MISSING)
        if value is _MISSING:
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

    # -- ahead of time ----------------------------------------------------------------------------

    def _renew(self, keys: list[K], load: Load) -> None:
        """Load again, in the background, what nobody is loading yet."""
        flights = self._loading.flights
        try:
            for key in keys:
                entry = self._entry(key)
                mine = load.flights[key] = Flight(load)
                if entry is None or flights.setdefault(key, mine) is not mine:
                    del load.flights[key]
                else:
                    mine.stamp = entry[2]
            if not load.flights:
                return
            self._count(refreshes=len(load.flights))
            if load.loop is not None:
                load.task = load.loop.create_task(self._arun(load))
                return
            load.offer()
            renewal = self._get_executor().submit(self._run_renewal, load)
            renewal.add_done_callback(lambda renewal: self._end_renewal(renewal, load))
        except RuntimeError:
            # The executor was shut down. The reader has a value; the next one will load.
            self._abandon(load)
        except BaseException:
            self._abandon(load)
            raise

    def _run_renewal(self, load: Load) -> None:
        if load.take():
            self._run(load)

    def _end_renewal(self, renewal: Future[None], load: Load) -> None:
        # Cancelled before it began: whoever waits loads for himself.
        if renewal.cancelled() and load.take():
            self._abandon(load)

    def _get_executor(self) -> Executor:
        loading = self._loading
        with loading.lock:
            if loading.executor is None:
                loading.executor = ThreadPoolExecutor(1, thread_name_prefix="sluicegate-refresh")
            return loading.executor

    # -- copies -----------------------------------------------------------------------------------

    def __copy__(self) -> LoadingCache[K, V]:
        """Copy the entries; loads under way and remembered errors stay with the original."""
        copy = super().__copy__()
        copy._prepare(self._loading.__copy__())
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Tell the attributes and the entries, but not the errors: many of those cannot be told."""
        state = super().__getstate__()
        state.pop("_errors", None)
        state.pop("_failed", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what `__getstate__` gave."""
        super().__setstate__(state)
        self._prepare(self._loading)
