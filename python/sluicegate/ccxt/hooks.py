"""What stands in the place of ccxt's own methods.

`fetch2` waits for a request before ccxt signs it, so that no nonce grows old in the queue. It holds
what the request takes until the answer is read. ccxt's own `throttle` has nothing to wait for then.
`on_rest_response` hears the answer.

ccxt would send a request that failed again without any pace (``maxRetriesOnFailure``). So ours
counts the attempts, and each waits as a request of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from inspect import unwrap
from typing import Any

from sluicegate.ccxt.charges import Charges
from sluicegate.ccxt.request import CURRENT, Request
from sluicegate.ccxt.websockets import CONNECT, operation

log = logging.getLogger("sluicegate.ccxt")

Method = Callable[..., Any]
_RETRIES = "maxRetriesOnFailure"
_DELAY = "maxRetriesOnFailureDelay"
#: ccxt looks for each option by this name as well.
_DEFAULT = "defaultMaxRetriesOnFailure"


class Hooks:
    """The methods of one installation.

    Args:
        charges: Says what a request takes, and of which budget.
        cover: Puts these methods in place in all of ccxt that is imported by now.

    Attributes:
        ended: Whether the installation is over. Who still calls ours gets ccxt's own then.
    """

    def __init__(self, charges: Charges, cover: Callable[[], None]) -> None:
        """Not in place yet."""
        self._charges = charges
        self._cover = cover
        self.ended = False

    def construct(self, own: Method) -> Method:
        """Of the class that both have `__init__` from.

        ``ccxt.async_support`` may have been imported after the installation: no object of it is
        made before this is called.
        """
        hooks, cover = self, self._cover

        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            if not hooks.ended:
                cover()
            own(self, *args, **kwargs)

        return __init__

    def fetch2(self, own: Method) -> Method:
        """Of the synchronous class."""
        hooks, charges, retried = self, self._charges, _retried(own)
        monotonic = time.monotonic

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
                        task = charges.task_of(request)
                        if task is None:
                            charges.enter(request)
                        else:
                            task.__enter__()
                            request.task = task
                            request.sent = monotonic()
                    else:
                        request.pacing_to_come = False
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
        hooks, charges, retried = self, self._charges, _retried(own)
        monotonic = time.monotonic

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
                        task = charges.task_of(request)
                        if task is None:
                            await charges.enter_async(request)
                        else:
                            await task.__aenter__()
                            request.task = task
                            request.sent = monotonic()
                    else:
                        request.pacing_to_come = False
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
            if not _has_waited(self):
                # The user asks for the pace, and sends something by other means.
                charges.enter_alone(Request.of_cost(self, cost))
            return None

        return throttle

    def throttle_async(self, own: Method) -> Method:
        """Of the asynchronous class."""
        hooks, charges = self, self._charges

        async def throttle(self: Any, cost: float | None = None) -> Any:
            if hooks.ended:
                return await own(self, cost)
            if not _has_waited(self):
                await charges.enter_alone_async(Request.of_cost(self, cost))
            return None

        return throttle

    def call(self, own: Method) -> Method:
        """Of ccxt's `Throttler`, which older versions of ccxt call without `throttle` in between.

        A connection of a WebSocket has one of its own, which paces it as before.
        """
        hooks = self

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.ended and _has_waited():
                return _nothing()
            return own(self, *args, **kwargs)

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
        """Of the class that both have it from, and of each class of the user's that has its own.

        ccxt calls it for every answer, before any error.
        """
        hooks, charges = self, self._charges

        def on_rest_response(
            self: Any,
            code: int,
            reason: str,
            url: str,
            method: str,
            response_headers: Any,
            response_body: Any,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            answer = code, reason, url, method, response_headers, response_body, *args
            request = CURRENT.get()
            if request is not None and request.exchange is not self:
                request = None
            if hooks.ended or (request is not None and request.is_heard):
                return own(self, *answer, **kwargs)
            try:
                charges.listen(request, self, code, url, response_headers, response_body)
            except Exception:
                log.exception("the answer of %s was not understood; it counts as a plain one", url)
            if request is None:
                return own(self, *answer, **kwargs)
            # What the user's own method calls with `super()` is this once more.
            request.is_heard = True
            try:
                return own(self, *answer, **kwargs)
            finally:
                request.is_heard = False

        return on_rest_response


async def _nothing() -> None:
    """What is awaited where there is nothing to wait for."""


def _has_waited(exchange: Any = None) -> bool:
    """Whether ccxt asks for the pace of a request that has waited already.

    It does so once for each request, before anything else. Whatever asks later asks for itself: a
    `fetch` of the user's, or a task that was started there and knows the request as its own.

    Args:
        exchange: Whose request it must be; any by default.
    """
    request = CURRENT.get()
    if request is None or not request.pacing_to_come or request.charge is None:
        return False
    if exchange is not None and request.exchange is not exchange:
        return False
    request.pacing_to_come = False
    return True


def _retried(fetch2: Method) -> tuple[type[Exception], ...]:
    """The errors after which ccxt's own `fetch2` sends a request again, if the user says so.

    Versions differ: older ones never do, and some not after all errors that newer ones name. What
    they would not send again, such as an order, must not be sent again here.
    """
    from ccxt.base import errors

    code = getattr(unwrap(fetch2), "__code__", None)
    if code is None or _RETRIES not in code.co_consts:
        return ()
    named = [name for name in ("OperationFailed", "NetworkError") if name in code.co_names]
    return tuple(getattr(errors, name) for name in named)


def _may_be_sent_again(exchange: Any, path: str, params: Any) -> bool:
    """Whether the user may have said that a request that fails is sent again."""
    options = exchange.options
    try:
        return (
            _RETRIES in options
            or path in options
            or _DEFAULT in options
            or _RETRIES in params
            or _DEFAULT in params
        )
    except TypeError:
        # Options of ``None`` are none; to parameters that are none, ccxt itself says what is wrong.
        return False


def _attempts(exchange: Any, path: str, params: Any) -> tuple[int, float, Any]:
    """How often a request may be sent, milliseconds between, and parameters without retries."""
    if not isinstance(params, dict | list):
        return 1, 0, params
    retries, without = exchange.handle_option_and_params(params, path, _RETRIES, 0)
    if not isinstance(retries, int) or retries < 1:
        # None, or what ccxt itself must say about: below 0, it sends nothing at all.
        return 1, 0, params
    delay, without = exchange.handle_option_and_params(without, path, _DELAY, 0)
    if isinstance(params, dict):
        return retries + 1, delay or 0, {**without, _RETRIES: 0}
    once = _SentOnce(params)
    if exchange.handle_option_and_params(once, path, _RETRIES, 0)[0]:
        # Some versions look for no name in a list: they send it again by themselves.
        return 1, 0, params
    return retries + 1, delay or 0, once


class _SentOnce(list[Any]):
    """A list of orders, in which ccxt finds that it is not to send the request again by itself."""

    def __getitem__(self, key: Any) -> Any:
        return 0 if key == _RETRIES else super().__getitem__(key)


def _say(exchange: Any, error: Exception) -> None:
    if exchange.verbose:
        exchange.log(f"sluicegate: the request is sent again, as it failed: {error}")
