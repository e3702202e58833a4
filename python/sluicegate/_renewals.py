"""Loading values again in the background, ahead of their end."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

from sluicegate._flights import Flight, Load
from sluicegate._loads import Loads

K = TypeVar("K")
V = TypeVar("V")


class Renewals(Loads[K, V]):
    """A cache that loads values again while their readers go on."""

    def _renew(self, keys: list[K], load: Load) -> None:
        """Load again, in the background, what nobody is loading yet."""
        try:
            for key in keys:
                entry = self._entry(key)
                mine = load.flights[key] = Flight(load)
                if entry is None or self._take_off(key, mine) is not mine:
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
        loading, process = self._loading, os.getpid()
        if loading.given_executor is not None:
            return loading.given_executor
        own = loading.executors.get(process)
        if own is None:
            # One that loses the race has begun no thread.
            new = ThreadPoolExecutor(1, thread_name_prefix="sluicegate-refresh")
            own = loading.executors.setdefault(process, new)
        return own
