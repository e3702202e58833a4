"""What stands in the place of ccxt's own methods.

`fetch2` makes one request known to the methods that it calls. `throttle` waits for it, before it is
signed, so that no nonce grows old in the queue. `on_rest_response` hears the answer.

ccxt would send a request that failed again without any pace (``maxRetriesOnFailure``). So ours
counts the attempts, and each waits as a request of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sluicegate.ccxt.charges import Charges
from sluicegate.ccxt.request import CURRENT, Request

log = logging.getLogger("sluicegate.ccxt")

Method = Callable[..., Any]
_RETRIES = "maxRetriesOnFailure"
_DELAY = "maxRetriesOnFailureDelay"


class Hooks:
    """The methods of one installation.

    Args:
        charges: Says what a request takes, and of which budget.
    """

    def __init__(self, charges: Charges) -> None:
        """Not in place yet."""
        self._charges = charges

    def fetch2(self, own: Method) -> Method:
        """Of the synchronous class."""

        def fetch2(
            self: Any,
            path: str,
            api: Any = "public",
            method: str = "GET",
            params: Any = {},  # noqa: B006  # as ccxt has it; nothing writes into it
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            attempts, delay, params = _attempts(self, path, params)
            while True:
                request = Request(self, path, api, method, params)
                token = CURRENT.set(request)
                try:
                    return own(self, path, api, method, params, *args, **kwargs)
                except Exception as error:
                    attempts -= 1
                    if attempts <= 0 or not _may_succeed(error):
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

        async def fetch2(
            self: Any,
            path: str,
            api: Any = "public",
            method: str = "GET",
            params: Any = {},  # noqa: B006  # as ccxt has it; nothing writes into it
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            attempts, delay, params = _attempts(self, path, params)
            while True:
                request = Request(self, path, api, method, params)
                token = CURRENT.set(request)
                try:
                    return await own(self, path, api, method, params, *args, **kwargs)
                except Exception as error:
                    attempts -= 1
                    if attempts <= 0 or not _may_succeed(error):
                        raise
                    _say(self, error)
                finally:
                    CURRENT.reset(token)
                    request.leave()
                if delay:
                    await self.sleep(delay)

        return fetch2

    def throttle(self, own: Method) -> Method:
        """Of the synchronous class. `fetch2` calls it only if ``enableRateLimit`` is on."""
        charges = self._charges

        def throttle(self: Any, cost: float | None = None) -> None:
            request = CURRENT.get()
            if request is not None and request.exchange is self:
                charges.enter(request, 1 if cost is None else cost)
            else:
                # The user asks for the pace, and sends something by other means.
                alone = Request(self, "", None, "", {})
                charges.enter(alone, 1 if cost is None else cost)
                alone.leave()

        return throttle

    def throttle_async(self, own: Method) -> Method:
        """Of the asynchronous class."""
        charges = self._charges

        async def throttle(self: Any, cost: float | None = None) -> None:
            request = CURRENT.get()
            if request is not None and request.exchange is self:
                await charges.enter_async(request, 1 if cost is None else cost)
            else:
                alone = Request(self, "", None, "", {})
                await charges.enter_async(alone, 1 if cost is None else cost)
                alone.leave()

        return throttle

    def on_rest_response(self, own: Method) -> Method:
        """Of the class that both have it from: ccxt calls it for every answer, before any error."""
        charges = self._charges

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
            try:
                request = CURRENT.get()
                charges.listen(
                    request if request is not None and request.exchange is self else None,
                    self,
                    code,
                    url,
                    method,
                    headers,
                    body,
                )
            except Exception:
                log.exception("the answer of %s was not understood; it counts as a plain one", url)
            return own(self, code, reason, url, method, headers, body, *args)

        return on_rest_response


def _attempts(exchange: Any, path: str, params: Any) -> tuple[int, float, Any]:
    """How often a request may be sent, milliseconds between, and parameters without retries."""
    options = exchange.options
    if not (_RETRIES in options or path in options or _RETRIES in params):
        return 1, 0, params
    if not isinstance(params, dict):
        # A list of orders has no room for options; ccxt sends it again by itself then.
        return 1, 0, params
    retries, params = exchange.handle_option_and_params(params, path, _RETRIES, 0)
    delay, params = exchange.handle_option_and_params(params, path, _DELAY, 0)
    return int(retries or 0) + 1, delay or 0, {**params, _RETRIES: 0}


def _may_succeed(error: Exception) -> bool:
    """Whether ccxt would send the request again."""
    import ccxt

    return isinstance(error, ccxt.OperationFailed)


def _say(exchange: Any, error: Exception) -> None:
    if exchange.verbose:
        exchange.log(f"sluicegate: the request is sent again, as it failed: {error}")
