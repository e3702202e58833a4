"""Which threads use Freqtrade's ccxt objects, and whether two use one at the same time."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from freqtrade.exchange.exchange import Exchange


class Uses:
    """Watches the `fetch` of ccxt objects, through which all of their requests go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects = 0
        self._under_way: dict[int, list[threading.Thread]] = {}
        self._by: dict[int, set[str]] = {}
        self._overlaps: list[tuple[str, list[str]]] = []

    def watch(self) -> None:
        """Watches the objects that Freqtrade makes from now on."""
        own = Exchange._init_ccxt

        @wraps(own)
        def init_ccxt(exchange: Exchange, config: Any, sync: bool, *args: Any) -> Any:
            api = own(exchange, config, sync, *args)
            api.fetch = self._watched(api.fetch)
            return api

        Exchange._init_ccxt = init_ccxt

    def told(self) -> dict[str, Any]:
        """What was seen: `asynchronous`, the threads of each such object; and `overlaps`."""
        with self._lock:
            return {
                "asynchronous": [sorted(threads) for threads in self._by.values()],
                "overlaps": list(self._overlaps),
            }

    def _watched(self, fetch: Callable[..., Any]) -> Callable[..., Any]:
        self._objects += 1
        number = self._objects
        under_way = self._under_way.setdefault(number, [])

        def begin() -> threading.Thread:
            thread = threading.current_thread()
            with self._lock:
                # By identity: the REST server's threads have one name for all.
                others = [other.name for other in under_way if other is not thread]
                if others:
                    self._overlaps.append((thread.name, others))
                under_way.append(thread)
            return thread

        def end(thread: threading.Thread) -> None:
            with self._lock:
                under_way.remove(thread)

        def synchronous(*args: Any, **kwargs: Any) -> Any:
            thread = begin()
            try:
                return fetch(*args, **kwargs)
            finally:
                end(thread)

        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            thread = begin()
            self._by.setdefault(number, set()).add(thread.name)
            try:
                return await fetch(*args, **kwargs)
            finally:
                end(thread)

        return asynchronous if inspect.iscoroutinefunction(fetch) else synchronous
