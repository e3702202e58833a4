"""Two real Hummingbots beside one stand-in exchange, for `make bench-share`.

    python -m peers.hummingbot.two_bots [--share URL] [--pings N]

Each bot sends so many pings through Hummingbot's plumbing for Binance. The weight of an address is
smaller than Binance's, and a minute takes two seconds, so that both are at the limit all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import replace
from typing import Any

from sluicegate.testing import StandInExchange, binance_spot, rolling

WEIGHT, MINUTE = 300, 2.0
PATIENCE = 300.0


async def bot(url: str, pings: int) -> dict[str, int]:
    """One bot: how many pings were answered, and how many refused."""
    from hummingbot.connector.exchange.binance import binance_constants, binance_web_utils
    from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

    binance_constants.REST_URL = f"{url}/api/"
    for limit in binance_constants.RATE_LIMITS:
        limit.time_interval *= MINUTE / 60
        if limit.limit_id == "REQUEST_WEIGHT":
            limit.limit = WEIGHT
    path = binance_constants.PING_PATH_URL
    throttler = binance_web_utils.create_throttler()
    build = binance_web_utils.build_api_factory_without_time_synchronizer_pre_processor
    assistant = await build(throttler).get_rest_assistant()
    address = binance_web_utils.public_rest_url(path)
    left = iter(range(pings))
    seen = {"answered": 0, "refused": 0}

    async def work() -> None:
        for _ in left:
            try:
                await assistant.execute_request(address, throttler_limit_id=path)
            except OSError:
                seen["refused"] += 1
            else:
                seen["answered"] += 1

    await asyncio.gather(*(work() for _ in range(50)))
    await ConnectionsFactory().close()
    return seen


async def both(share: str | None, pings: int) -> dict[str, Any]:
    """Two bots, as processes of their own, and what the exchange saw."""
    table = rolling(binance_spot(MINUTE))
    limits = tuple(
        replace(limit, limit=WEIGHT) if limit.name == "REQUEST_WEIGHT" else limit
        for limit in table.limits
    )
    words = [sys.executable, "-m", "peers.hummingbot.two_bots", "--pings", str(pings)]
    environment = {**os.environ, **({"SLUICEGATE_SHARE": share} if share else {})}
    async with StandInExchange(
        replace(table, limits=limits), latency=(0.002, 0.06), seed=1
    ) as exchange:
        bots = [
            await asyncio.create_subprocess_exec(
                *(*words, "--bot", exchange.url),
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
            for _ in range(2)
        ]
        ends = asyncio.gather(*(one.communicate() for one in bots))
        # Without a budget in common they are banned, and would wait for the end of that.
        while not (share or ends.done() or exchange.statistics().rejected):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        if not share:
            for one in bots:
                if one.returncode is None:
                    one.kill()
        outputs = await asyncio.wait_for(ends, PATIENCE)
        seen = exchange.statistics()
    told = [json.loads(out.splitlines()[-1]) for out, _ in outputs if out]
    weight = seen.limit("REQUEST_WEIGHT")
    return {
        "accepted": seen.accepted,
        "rejected": seen.rejected + seen.banned,
        "worst": weight.worst_window,
        "limit": weight.limit,
        "wanted": 2 * pings,
        "answered": sum(one["answered"] for one in told),
    }


def main() -> None:
    """Runs both bots, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share")
    parser.add_argument("--pings", type=int, default=2_000)
    parser.add_argument("--bot", metavar="URL")
    asked = parser.parse_args()
    if asked.bot is None:
        print(json.dumps(asyncio.run(both(asked.share, asked.pings))))
        return
    import sluicegate.hummingbot

    sluicegate.hummingbot.install()
    print(json.dumps(asyncio.run(bot(asked.bot, asked.pings))))


if __name__ == "__main__":
    main()
