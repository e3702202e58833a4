"""Answers that are errors: 429 over a limit, 418 in a ban, a refusal, a fault of the exchange."""

import math
import time

from aiohttp import web

from sluicegate.testing.ledger import Verdict
from sluicegate.testing.refusal import RefusedError


def failure(status: int | None) -> web.Response:
    """What a request that fails is answered: Binance's code and message for an internal error.

    Args:
        status: None is for a connection that is dropped, where the answer is not read.
    """
    message = "Internal error; unable to process your request. Please try again."
    return web.json_response({"code": -1001, "msg": message}, status=status or 503)


def rejection(verdict: Verdict) -> web.Response:
    """What a request over a limit, or during a ban, is answered: 429 or 418."""
    seconds = verdict.wait / 1e9
    if verdict.status == 418:
        until = time.time_ns() // 1_000_000 + math.ceil(verdict.wait / 1e6)
        code, message = -1003, f"Way too many requests; IP banned until {until}."
    else:
        limit = verdict.over[0]
        orders = limit.name.startswith("ORDERS")
        code = -1015 if orders else -1003
        message = (
            f"Too many {'new orders' if orders else 'requests'}; current limit of {limit.name} is "
            f"{limit.limit} per {limit.interval:g} seconds."
        )
    return web.json_response(
        {"code": code, "msg": message, "retryAfter": seconds},
        status=verdict.status,
        headers={"Retry-After": str(max(1, math.ceil(seconds)))},
    )


def refusal(error: RefusedError) -> web.Response:
    """What a request that a handler refused is answered."""
    return web.json_response({"code": error.code, "msg": error.message}, status=error.status)
