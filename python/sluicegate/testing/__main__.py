"""`python -m sluicegate.testing`: the stand-in exchange in a process of its own.

Its first line on standard output is the address, such as `http://127.0.0.1:40123`. It ends when
standard input is closed, so it never outlives the program that started it, or on Ctrl-C. While it
runs, it is steered over HTTP: see `docs/testing.md`.
"""

import argparse
import asyncio
import contextlib
import sys

from sluicegate.testing import CoinGecko, Market, StandInExchange, load_table


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate.testing", description=__doc__)
    parser.add_argument(
        "--table", default="binance-spot", help="a table's name, or a JSON file (%(default)s)"
    )
    parser.add_argument(
        "--minute", type=float, default=60.0, help="seconds that a minute takes (%(default)s)"
    )
    parser.add_argument(
        "--latency",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        metavar=("MIN", "MAX"),
        help="seconds from a request to its answer (0 0)",
    )
    parser.add_argument(
        "--markets",
        type=int,
        help="trade so many symbols against USDT and refuse all others (5, and an answer for any)",
    )
    parser.add_argument(
        "--coingecko", action="store_true", help="serve CoinGecko's prices, too, under /coingecko"
    )
    parser.add_argument("--seed", type=int, help="makes latencies the same each time")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (%(default)s)")
    options = parser.parse_args()
    try:
        table = load_table(options.table, minute=options.minute)
        exchange = StandInExchange(
            table,
            market=None if options.markets is None else Market.of_size(options.markets),
            latency=tuple(options.latency),
            seed=options.seed,
            port=options.port,
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if options.coingecko:
        CoinGecko().serve(exchange)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(exchange))


async def _serve(exchange: StandInExchange) -> None:
    async with exchange:
        sys.stdout.write(f"{exchange.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    main()
