"""Answers that are errors: 429 over a limit, 418 in a ban, a refusal, a fault of the exchange."""

from aiohttp import web

from sluicegate.testing.habits import Told
from sluicegate.testing.ledger import Verdict
from sluicegate.testing.refusal import RefusedError


def failure(status: int | None) -> web.Response:
    """What a request that fails is answered: Binance's code and message for an internal error.

    Args:
        status: None is for a connection that is dropped, where the answer is not read.
    """
    message = "Internal error; unable to process your request. Please try again."
    return web.json_response({"code": -1001, "msg": message}, status=status or 503)


def overload() -> web.Response:
    """What Binance answers when it has too much to do, and not the client."""
    message = (
        "Server is currently overloaded with other requests. Please try again in a few minutes."
    )
    return web.json_response({"code": -1008, "msg": message}, status=503)


def rejection(verdict: Verdict, said: Told, wall: int) -> web.Response:
    """What a request over a limit, or during a ban, is answered: 429 or 418.

    Args:
        verdict: What was decided.
        said: What it is told about how long to wait.
        wall: The exchange's time of the verdict, in nanoseconds since 1970.
    """
    seconds = verdict.wait / 1e9
    if verdict.status == 418:
        until = (wall + verdict.wait) // 1_000_000 + 1
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
        headers={} if said.text is None else {"Retry-After": said.text},
    )


def refusal(error: RefusedError) -> web.Response:
    """What a request that a handler refused is answered."""
    return web.json_response({"code": error.code, "msg": error.message}, status=error.status)
