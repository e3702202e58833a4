"""What stands in the place of ccxt's own methods.

`fetch2` waits for a request before ccxt signs it, so that no nonce grows old in the queue. It holds
what the request takes until the answer is read. ccxt's own `throttle` has nothing to wait for then.
`on_rest_response` hears the answer.

ccxt would send a request that failed again without any pace (``maxRetriesOnFailure``). So ours
counts the attempts, and each waits as a request of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sluicegate.ccxt.charges import Charges
from sluicegate.ccxt.request import CURRENT, Request
from sluicegate.ccxt.websockets import CONNECT, operation

log = logging.getLogger("sluicegate.ccxt")

Method = Callable[..., Any]
_RETRIES = "maxRetriesOnFailure"
_DELAY = "maxRetriesOnFailureDelay"


class Hooks:
    """The methods of one installation.

    Args:
        charges: Says what a request takes, and of which budget.

    Attributes:
        ended: Whether the installation is over. Who still calls ours gets ccxt's own then.
    """

    def __init__(self, charges: Charges) -> None:
        """Not in place yet."""
        from ccxt.base import errors

        self._charges = charges
        self.ended = False
        #: After which ccxt would send a request again. Older versions never do, and do not have it.
        self._retried: tuple[type[Exception], ...] = tuple(
            getattr(errors, name) for name in ("OperationFailed",) if hasattr(errors, name)
        )

    def fetch2(self, own: Method) -> Method:
        """Of the synchronous class."""
        hooks, charges, retried = self, self._charges, self._retried

        def fetch2(
            self: Any,
            path: str,
            api: Any = "public",
            method: str = "GET",
            params: Any = {},  # noqa: B006  # as ccxt has it; nothing writes into it
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if hooks.ended:
                return own(self, path, api, method, params, *args, **kwargs)
            attempts, delay = 1, 0.0
            if retried and _may_be_sent_again(self, path, params):
                attempts, delay, params = _attempts(self, path, params)
            while True:
                request = Request(self, path, api, method, params, args, kwargs)
                token = CURRENT.set(request)
                try:
                    if self.enableRateLimit:
                        charges.enter(request)
                    answer = own(self, path, api, method, params, *args, **kwargs)
                    if request.first is not None:
                        request.answered()
                    return answer
                except Exception as error:
                    attempts -= 1
                    if attempts <= 0 or not isinstance(error, retried):
                        raise
                    _say(self, error)
                finally:
                    CURRENT.reset(token)
                    request.leave()
                if delay:
                    self.sleep(delay)

        return fetch2

    def fetch2_async(self, own: Method) -> Method:
        """Of the asynchronous class."""
        hooks, charges, retried = self, self._charges, self._retried

        async def fetch2(
            self: Any,
            path: str,
            api: Any = "public",
            method: str = "GET",
            params: Any = {},  # noqa: B006  # as ccxt has it; nothing writes into it
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if hooks.ended:
                return await own(self, path, api, method, params, *args, **kwargs)
            attempts, delay = 1, 0.0
            if retried and _may_be_sent_again(self, path, params):
                attempts, delay, params = _attempts(self, path, params)
            while True:
                request = Request(self, path, api, method, params, args, kwargs)
                token = CURRENT.set(request)
                try:
                    if self.enableRateLimit:
                        await charges.enter_async(request)
                    answer = await own(self, path, api, method, params, *args, **kwargs)
                    if request.first is not None:
                        request.answered()
                    return answer
                except Exception as error:
                    attempts -= 1
                    if attempts <= 0 or not isinstance(error, retried):
                        raise
                    _say(self, error)
                finally:
                    CURRENT.reset(token)
                    request.leave()
                if delay:
                    await self.sleep(delay)

        return fetch2

    def throttle(self, own: Method) -> Method:
        """Of the synchronous class."""
        hooks, charges = self, self._charges

        def throttle(self: Any, cost: float | None = None) -> Any:
            if hooks.ended:
                return own(self, cost)
            if not _is_under_way(self):
                # The user asks for the pace, and sends something by other means.
                alone = Request.of_cost(self, cost)
                charges.enter(alone)
                alone.leave()
            return None

        return throttle

    def throttle_async(self, own: Method) -> Method:
        """Of the asynchronous class."""
        hooks, charges = self, self._charges

        async def throttle(self: Any, cost: float | None = None) -> Any:
            if hooks.ended:
                return await own(self, cost)
            if not _is_under_way(self):
                alone = Request.of_cost(self, cost)
                await charges.enter_async(alone)
                alone.leave()
            return None

        return throttle

    def call(self, own: Method) -> Method:
        """Of ccxt's `Throttler`, which older versions of ccxt call without `throttle` in between.

        A connection of a WebSocket has one of its own, which paces it as before.
        """
        hooks = self

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if hooks.ended or CURRENT.get() is None:
                return own(self, *args, **kwargs)
            return _nothing()

        return call

    def open_async(self, own: Method) -> Method:
        """Of a WebSocket's connection."""
        hooks, charges = self, self._charges

        async def open_(self: Any, *args: Any, **kwargs: Any) -> Any:
            if hooks.ended:
                return await own(self, *args, **kwargs)
            try:
                async with charges.websocket(self, CONNECT, None):
                    return await own(self, *args, **kwargs)
            except Exception as error:
                # ccxt opens it in the background: whoever waits for it would wait for ever.
                self.on_error(error)

        return open_

    def send_async(self, own: Method) -> Method:
        """Of a WebSocket's connection."""
        hooks, charges = self, self._charges

        async def send(self: Any, message: Any) -> Any:
            if hooks.ended:
                return await own(self, message)
            name, params = operation(message)
            async with charges.websocket(self, name, params):
                return await own(self, message)

        return send

    def on_rest_response(self, own: Method) -> Method:
        """Of the class that both have it from: ccxt calls it for every answer, before any error."""
        hooks, charges = self, self._charges

        def on_rest_response(
            self: Any,
            code: int,
            reason: str,
            url: str,
            method: str,
            headers: Any,
            body: Any,
            *args: Any,
        ) -> Any:
            if hooks.ended:
                return own(self, code, reason, url, method, headers, body, *args)
            try:
                request = CURRENT.get()
                own_one = request if request is not None and request.exchange is self else None
                charges.listen(own_one, self, code, url, headers, body)
            except Exception:
                log.exception("the answer of %s was not understood; it counts as a plain one", url)
            return own(self, code, reason, url, method, headers, body, *args)

        return on_rest_response


async def _nothing() -> None:
    """What is awaited where there is nothing to wait for."""


def _is_under_way(exchange: Any) -> bool:
    """Whether this thread or task is making a request of the object, which has waited already."""
    request = CURRENT.get()
    return request is not None and request.exchange is exchange


def _may_be_sent_again(exchange: Any, path: str, params: Any) -> bool:
    """Whether the user may have said that a request that fails is sent again."""
    options = exchange.options
    return _RETRIES in options or path in options or _RETRIES in params


def _attempts(exchange: Any, path: str, params: Any) -> tuple[int, float, Any]:
    """How often a request may be sent, milliseconds between, and parameters without retries."""
    if not isinstance(params, dict):
        # A list of orders has no room for options; ccxt sends it again by itself then.
        return 1, 0, params
    retries, params = exchange.handle_option_and_params(params, path, _RETRIES, 0)
    delay, params = exchange.handle_option_and_params(params, path, _DELAY, 0)
    return int(retries or 0) + 1, delay or 0, {**params, _RETRIES: 0}


def _say(exchange: Any, error: Exception) -> None:
    if exchange.verbose:
        exchange.log(f"sluicegate: the request is sent again, as it failed: {error}")
