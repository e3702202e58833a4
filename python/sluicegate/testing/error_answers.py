"""Errors in Binance's words: over a limit, in a ban, a refusal, a fault of the exchange."""

from typing import Any

from aiohttp import web

from sluicegate.testing.ledger import Verdict
from sluicegate.testing.refusal import RefusedError

OVERLOADED = {
    "code": -1008,
    "msg": "Server is currently overloaded with other requests. Please try again in a few minutes.",
}
"""What Binance writes when it has too much to do."""


def failure(status: int | None) -> web.Response:
    """What a request that fails is answered: Binance's code and message for an internal error.

    Args:
        status: None is for a connection that is dropped, where the answer is not read.
    """
    message = "Internal error; unable to process your request. Please try again."
    return web.json_response({"code": -1001, "msg": message}, status=status or 503)


def binance_error(verdict: Verdict, wall: int) -> dict[str, Any]:
    """What Binance writes about a request over a limit, or during a ban.

    Args:
        verdict: What was decided.
        wall: The exchange's time of the verdict, in nanoseconds since 1970.
    """
    if verdict.status == 418:
        until = -(-(wall + verdict.wait) // 1_000_000)
        code, message = -1003, f"Way too many requests; IP banned until {until}."
    else:
        limit = verdict.over[0]
        orders = limit.name.startswith("ORDERS")
        code = -1015 if orders else -1003
        length = f"per {limit.interval:g} seconds" if limit.interval else "at once"
        message = (
            f"Too many {'new orders' if orders else 'requests'}; current limit of {limit.name} is "
            f"{limit.limit} {length}."
        )
    return {"code": code, "msg": message, "retryAfter": verdict.wait / 1e9}


def refusal(error: RefusedError) -> web.Response:
    """What a request that a handler refused is answered."""
    return web.json_response({"code": error.code, "msg": error.message}, status=error.status)
