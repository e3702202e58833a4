"""Starts and ends the demo's stand-in exchange, in a process of its own.

Not in a thread of the bots' process: there, both would take turns at one interpreter, and a busy
moment of the bots would shift the instants at which the exchange counts. In a process of its own it
uses about a fifth of a core at 370 requests a second.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from sluicegate.testing import Statistics, Table, table_to_json

START_TIMEOUT = 30.0
"""Seconds until an exchange that has not printed its address counts as not started."""

STOP_TIMEOUT = 10.0
"""Seconds until an exchange that was asked to end is killed."""


class ExchangeFailedError(RuntimeError):
    """The stand-in exchange did not start."""


@asynccontextmanager
async def exchange_process(
    table: Table,
    latency: tuple[float, float],
    seed: int,
    others: Mapping[str, float] | None = None,
) -> AsyncIterator[str]:
    """Run a stand-in exchange, and give its address.

    Args:
        table: The limits it enforces.
        latency: (shortest, longest) seconds from a request to its answer.
        seed: Of its latencies.
        others: Shares of limits that other programs use, by name of limit.

    Raises:
        ExchangeFailedError: It did not start; the message holds its standard error.
    """
    with tempfile.TemporaryDirectory(prefix="sluicegate-demo-") as directory:
        path = Path(directory) / "table.json"
        path.write_text(json.dumps(table_to_json(table)), encoding="utf-8")
        shortest, longest = map(repr, latency)
        foreign = [
            word
            for name, share in (others or {}).items()
            for word in ("--others", name, repr(share))
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sluicegate.testing", "--table", str(path)),
            *("--latency", shortest, longest, "--seed", str(seed), *foreign),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C in a terminal is for the bots; the exchange ends with them.
            start_new_session=True,
        )
        try:
            yield await _address(process)
        finally:
            await _end(process)


async def statistics_of(session: aiohttp.ClientSession) -> Statistics:
    """What the exchange of this session saw."""
    async with session.get("/stand-in/stats") as response:
        return Statistics.from_json(await response.json())


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, which ends the exchange; end it the hard way if that does not help."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.communicate(), STOP_TIMEOUT)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        raise


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
    except asyncio.TimeoutError:
        raise ExchangeFailedError(
            f"the stand-in exchange did not start within {START_TIMEOUT:g} s"
        ) from None
    if not line:
        said = (await process.stderr.read()).decode(errors="replace").strip()
        raise ExchangeFailedError(f"the stand-in exchange did not start: {said}")
    return line.decode().strip()
