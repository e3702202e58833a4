"""`LoadingCache`, which loads what it lacks: its methods, what each must load, its copies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any, Literal, TypeVar, cast, overload

from sluicegate._core import TTLCache
from sluicegate.cache.flights import Load, Outcome
from sluicegate.cache.refresh_ahead import RefreshAheadCache
from sluicegate.cache.single_flight import MISSING, LoadState, Lookup
from sluicegate.errors import NotLoadedError

K = TypeVar("K")
V = TypeVar("V")

__all__ = ["LoadingCache", "NotLoadedError"]

#: How many failed keys are remembered at most.
_MOST_ERRORS = 10_000


class LoadingCache(RefreshAheadCache[K, V]):
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
        self._prepare(LoadState(error_ttl, error_types, refresh_ahead, executor))

    def _prepare(self, loading: LoadState) -> None:
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
            self._errors = _hidden(TTLCache(_MOST_ERRORS, error_ttl, self.timer))
        self._failed = None
        if self._margin is not None:
            # A refresh that failed is not tried again at every read.
            self._failed = _hidden(TTLCache(_MOST_ERRORS, self._margin / 4, self.timer))

    # -- the public methods -----------------------------------------------------------------------

    def get_or_load(self, key: K, loader: Callable[[K], V]) -> V:
        """Return the value of `key`; if there is none, what `loader(key)` returns, and store it.

        Args:
            key: Whose value is wanted.
            loader: Called with the key, by one caller at a time; the others wait for its value.

        Raises:
            RuntimeError: If waiting could never end: a loader asks for the key that it loads, or
                the event loop of this very thread is loading it.
            Exception: What the loader raised; its other waiters get it, too.
        """
        if self._margin is None:
            value = self.get(key, MISSING)
            if value is not MISSING:
                return cast("V", value)
        lookup = self._look_up([key], known_missing=self._margin is None)
        if lookup.due:
            self._refresh(lookup.due, Load(loader, True, None))
        self._load(lookup, loader, single=True)
        return cast("V", lookup.result(False)[key])

    async def aget_or_load(self, key: K, loader: Callable[[K], Awaitable[V]]) -> V:
        """Like `get_or_load`, for asyncio: `loader(key)` is awaited.

        The load is a task of its own. If the caller is cancelled, it goes on, for its other
        waiters and for the cache.

        Args:
            key: Whose value is wanted.
            loader: Called with the key; what it returns is awaited.

        Raises:
            RuntimeError: As `get_or_load`.
            Exception: What the loader raised; its other waiters get it, too.
        """
        if self._margin is None:
            value = self.get(key, MISSING)
            if value is not MISSING:
                return cast("V", value)
        lookup = self._look_up([key], known_missing=self._margin is None)
        if lookup.due:
            self._refresh(lookup.due, Load(loader, True, asyncio.get_running_loop()))
        await self._aload(lookup, loader, single=True)
        return cast("V", lookup.result(False)[key])

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
        failed; so does a key that it lacks, with `NotLoadedError`. Keys that are being loaded
        already are waited for instead. There may be more keys than the cache has room for.

        Args:
            keys: Whose values are wanted; one that comes twice counts once.
            loader: Called with the list of the missing keys, if there are any.
            return_exceptions: Whether errors are returned in place of values, and none is raised.

        Returns:
            The values by key, in the order of `keys`.

        Raises:
            RuntimeError: As `get_or_load`.
            Exception: The error of the first key that failed, once all loads are done.
        """
        lookup = self._look_up(keys)
        if lookup.due:
            self._refresh(lookup.due, Load(loader, False, None))
        self._load(lookup, loader, single=False)
        return lookup.result(return_exceptions)

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
        """Like `get_many_or_load`, for asyncio: `loader(missing)` is awaited.

        Args:
            keys: Whose values are wanted.
            loader: Called with the list of the missing keys; what it returns is awaited.
            return_exceptions: Whether errors are returned in place of values, and none is raised.
        """
        lookup = self._look_up(keys)
        if lookup.due:
            self._refresh(lookup.due, Load(loader, False, asyncio.get_running_loop()))
        await self._aload(lookup, loader, single=False)
        return lookup.result(return_exceptions)

    def warm(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V | Exception]],
        *,
        ahead: Any = None,
        error_ahead: Any = None,
    ) -> dict[K, Exception]:
        """Load those of `keys` that are missing, in one call, and return the errors.

        What is present does not count as read, nor does it become recently used.

        Args:
            keys: The keys; one that comes twice counts once.
            loader: As for `get_many_or_load`. Not called if there is nothing to load.
            ahead: What has less than this time left is loaded again, too: a time like the TTL.
                None: only what is missing.
            error_ahead: What failed is not loaded again while its error is remembered, be it
                missing or present and due; with this, only until the error has less than this time
                left: a time like `error_ttl`.

        Returns:
            The errors of this call, and those that are remembered for keys without a value.
        """
        lookup = self._look_up_warming(keys, ahead, error_ahead)
        self._load(lookup, loader, single=False, anew=True)
        return {key: error for key, (_, error) in lookup.outcomes.items() if error is not None}

    async def awarm(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        ahead: Any = None,
        error_ahead: Any = None,
    ) -> dict[K, Exception]:
        """Like `warm`, for asyncio: `loader(missing)` is awaited. The arguments mean the same."""
        lookup = self._look_up_warming(keys, ahead, error_ahead)
        await self._aload(lookup, loader, single=False, anew=True)
        return {key: error for key, (_, error) in lookup.outcomes.items() if error is not None}

    def due(self, keys: Iterable[K], *, ahead: Any = None, error_ahead: Any = None) -> list[K]:
        """Tell which of `keys` `warm` would load now, in the order in which they are given.

        Nothing is loaded, and nothing counts as read. Keys that are being loaded are among them.
        `ahead` and `error_ahead` are those of `warm`.
        """
        return self._look_up_warming(keys, ahead, error_ahead).missing

    def error(self, key: K) -> Exception | None:
        """Return the error that is remembered for `key`; None if there is none, or it has a value.

        Nothing counts as read. An error is remembered if `error_ttl` is set, and as long as that.
        """
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
        executor = self._loading.executors.pop(os.getpid(), None)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    # -- what is there, and what is not -----------------------------------------------------------

    def _look_up(self, keys: Iterable[K], known_missing: bool = False) -> Lookup:
        lookup = Lookup()
        for key in dict.fromkeys(keys):
            entry = None if known_missing else self._entry(key, True)
            if entry is not None:
                value, remaining, _ = entry
                lookup.outcomes[key] = Outcome(value, None)
                if (
                    self._margin is not None
                    and remaining < self._margin
                    and not self._has_failed(key)
                ):
                    lookup.due.append(key)
                continue
            error = None if self._errors is None else self._errors.get(key)
            # In place already, so that the result has the order of the keys.
            lookup.outcomes[key] = Outcome(None, error)
            if error is None:
                lookup.missing.append(key)
                continue
            self._count(error_hits=1)
            # Or each time it is raised its traceback would grow.
            error.with_traceback(None)
        return lookup

    def _look_up_warming(self, keys: Iterable[K], ahead: Any, error_ahead: Any) -> Lookup:
        lookup = Lookup()
        for key in dict.fromkeys(keys):
            entry = self._entry(key)
            if entry is not None and (ahead is None or not entry[1] < ahead):
                continue
            error = None if self._errors is None else self._errors._entry(key)
            if error is None or (error_ahead is not None and error[1] < error_ahead):
                lookup.missing.append(key)
            elif entry is None:
                lookup.outcomes[key] = Outcome(None, error[0])
        return lookup

    def _has_failed(self, key: K) -> bool:
        return self._failed is not None and key in self._failed

    # -- copies -----------------------------------------------------------------------------------

    def __copy__(self) -> LoadingCache[K, V]:
        """Copy the entries; loads under way and remembered errors stay with the original."""
        copy = super().__copy__()
        copy._prepare(self._loading.__copy__())
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, the settings and the entries. Many errors cannot be pickled."""
        state = super().__getstate__()
        state.pop("_errors", None)
        state.pop("_failed", None)
        # A plain tuple, so that a pickle names no private class. The executor cannot be copied.
        state["_loading"] = self._loading.settings
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        error_ttl, error_types, refresh_ahead = state["_loading"]
        super().__setstate__(state)
        self._prepare(LoadState(error_ttl, error_types, refresh_ahead, None))


def _hidden(cache: TTLCache[K, V, Any]) -> TTLCache[K, V, Any]:
    """A cache that `sluicegate top` and the metrics do not show: its owner is shown."""
    vars(cache)["_meter_name"] = ""
    return cache
