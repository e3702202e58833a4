"""Loads values again in the background, before they expire: `refresh_ahead`."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sluicegate.cache.flights import Flight, Load
from sluicegate.cache.single_flight import SingleFlightCache

K = TypeVar("K")
V = TypeVar("V")


class RefreshAheadCache(SingleFlightCache[K, V]):
    """A cache that loads values again while their readers continue with the present ones."""

    #: A value with less time left than this is loaded again when it is read. None: never.
    _margin: Any

    def _refresh(self, keys: list[K], load: Load) -> None:
        """Load again, in the background, those keys that are not being loaded."""
        try:
            for key in keys:
                entry = self._entry(key)
                mine = load.flights[key] = Flight(load)
                if entry is None or self._claim_key(key, mine) is not mine:
                    del load.flights[key]
                else:
                    mine.stamp = entry[2]
            if not load.flights:
                return
            self._count(refreshes=len(load.flights))
            if load.in_loop:
                self._begin(load)
                return
            load.offer()
            refresh = self._get_executor().submit(self._run_refresh, load)
            refresh.add_done_callback(lambda refresh: self._end_refresh(refresh, load))
        except RuntimeError:
            # The executor was shut down. The reader has a value; the next one will load.
            self._abandon(load)
        except BaseException:
            self._abandon(load)
            raise

    def _run_refresh(self, load: Load) -> None:
        if load.take():
            self._run(load)

    def _end_refresh(self, refresh: Future[None], load: Load) -> None:
        # Cancelled before it began: each waiter loads for itself.
        if refresh.cancelled() and load.take():
            self._abandon(load)

    def _get_executor(self) -> Executor:
        loading, process = self._loading, os.getpid()
        if loading.given_executor is not None:
            return loading.given_executor
        own = loading.executors.get(process)
        if own is None:
            # An executor that loses the race has started no thread.
            new = ThreadPoolExecutor(1, thread_name_prefix="sluicegate-refresh")
            own = loading.executors.setdefault(process, new)
        return own
