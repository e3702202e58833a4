"""`python -m sluicegate.testing`: the stand-in exchange in a process of its own.

Its first line on standard output is the address, such as `http://127.0.0.1:40123`. It ends when
standard input is closed, so that it never outlives the program that started it. In a terminal, and
with `--stay`, it runs until Ctrl-C or a signal. While it runs, it is steered over HTTP: see
`docs/testing.md`.
"""

import argparse
import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from sluicegate._needs import lacking
from sluicegate.testing import CoinGecko, Market, load_table, rolling

if TYPE_CHECKING:
    from sluicegate.testing import StandInExchange

PROGRAM = "python -m sluicegate.testing"


def main() -> None:
    """Read the options and serve."""
    parser = _parser()
    options = parser.parse_args()
    if problem := lacking(PROGRAM, ("aiohttp",)):
        sys.exit(problem)
    from sluicegate.testing import StandInExchange

    try:
        table = load_table(options.table, minute=options.minute)
        if options.rolling:
            table = rolling(table)
        exchange = StandInExchange(
            table,
            market=None if options.markets is None else Market.of_size(options.markets),
            latency=tuple(options.latency),
            seed=options.seed,
            port=options.port,
            skew=options.skew,
        )
        exchange.set_others({limit: _share(text) for limit, text in options.others})
    except (ValueError, OSError) as error:
        parser.error(str(error))
    stay = options.stay or (sys.stdin is not None and sys.stdin.isatty())
    if not stay and not _is_pipe(sys.stdin):
        parser.error(
            "standard input is closed, so the exchange would end at once: add --stay, and it runs "
            "until Ctrl-C or a signal; or give it a pipe as its input, and close it to end it"
        )
    if options.coingecko:
        CoinGecko().serve(exchange)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(exchange, stay=stay))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    add = parser.add_argument
    add(
        "--table",
        default="binance-spot",
        help="the name of a table, or a JSON or TOML file (default: %(default)s)",
    )
    add(
        "--minute",
        type=float,
        default=60.0,
        help="how many seconds a minute of the exchange takes (default: 60)",
    )
    add(
        "--rolling",
        action="store_true",
        help="let windows roll that begin anew on the exchange: stricter than the exchange",
    )
    add(
        "--latency",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        metavar=("MIN", "MAX"),
        help="shortest and longest seconds from a request to its answer (default: 0 0)",
    )
    add(
        "--markets",
        type=int,
        help="how many symbols are traded against USDT; all others are refused "
        "(default: 5 symbols, and an answer for any other)",
    )
    add("--coingecko", action="store_true", help="also serve CoinGecko's prices, under /coingecko")
    add(
        "--others",
        nargs=2,
        action="append",
        default=[],
        metavar=("LIMIT", "SHARE"),
        help="others use this share of a limit, such as REQUEST_WEIGHT 0.35; repeatable",
    )
    add(
        "--skew",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how far the exchange's clock is ahead of the machine's (default: 0)",
    )
    add("--seed", type=int, help="with a seed, the latencies are the same in each run")
    add("--port", type=int, default=0, help="the port; 0 takes a free one (default: 0)")
    add(
        "--stay",
        action="store_true",
        help="run until Ctrl-C or a signal, and not until standard input is closed; "
        "a script that starts it with & needs this",
    )
    return parser


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"the share of others must be a number such as 0.35, got {text!r}"
        ) from None


def _is_pipe(stream: TextIO | None) -> bool:
    """Whether a stream is open until another program closes it.

    A shell gives /dev/null to what it starts in the background, and so do services and containers.
    """
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _serve(exchange: "StandInExchange", *, stay: bool) -> None:
    try:
        await exchange.start()
    except OSError as error:
        sys.exit(f"{PROGRAM}: error: it cannot listen: {error.strerror or error}")
    try:
        sys.stdout.write(f"{exchange.url}\n")
        sys.stdout.flush()
        over = asyncio.Event()
        if not stay:
            _at_its_end(sys.stdin.fileno(), over.set)
        await over.wait()
    finally:
        await exchange.stop()


def _at_its_end(pipe: int, call: Callable[[], None]) -> None:
    """Call back when a pipe was closed at its other end. What is written to it means nothing."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(pipe, 65_536):
            loop.remove_reader(pipe)
            call()

    loop.add_reader(pipe, read)


if __name__ == "__main__":
    main()
