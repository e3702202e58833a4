"""The demo's bots in several processes, which share their limits in a file."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory

from sluicegate.demo.bots import Tally
from sluicegate.testing import Table, table_to_json

START_TIMEOUT = 60.0
"""Seconds until a process that has not said that it is ready counts as not started."""

END_TIMEOUT = 30.0
"""Seconds that a process may take to end after its run."""


class ProcessFailedError(RuntimeError):
    """A process of bots ended with an error."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does.

    Attributes:
        url: Where the exchange is.
        share: Where the limits are shared.
        table: The exchange's limits, as JSON.
        bots: How many bots work in this process.
        first: The number of the first of them.
        seconds: For how long they work.
        seed: Of their choices.
        listen: Whether the throttler is told what answers say.
    """

    url: str
    share: str
    table: object
    bots: int
    first: int
    seconds: float
    seed: int
    listen: bool = False


class Processes:
    """Processes of bots. Ready when it is entered; ended, whatever happens, when it is left.

    Args:
        count: How many processes.
        bots: How many bots they have together.
        url: Where the exchange is.
        table: Its limits.
        seconds: For how long the bots work.
        seed: Of their choices.
        tally: What all of them write down together, while they work.
        listen: Whether their throttlers are told what answers say.
    """

    def __init__(
        self,
        count: int,
        bots: int,
        url: str,
        table: Table,
        seconds: float,
        seed: int,
        tally: Tally,
        *,
        listen: bool = False,
    ) -> None:
        """Not started yet."""
        self._parts = [bots * n // count for n in range(count + 1)]
        self._url, self._table, self._seconds, self._seed = url, table_to_json(table), seconds, seed
        self._tally = tally
        self._listen = listen
        self._processes: list[asyncio.subprocess.Process] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Processes:
        """Starts them, and waits until each is ready."""
        folder = self._stack.enter_context(TemporaryDirectory(prefix="sluicegate-demo-"))
        self._stack.push_async_callback(self._end)
        share = f"sqlite:///{folder}/budget.db"
        try:
            for first, after in zip(self._parts, self._parts[1:], strict=False):
                job = Job(
                    *(self._url, share, self._table, after - first, first),
                    *(self._seconds, self._seed, self._listen),
                )
                self._processes.append(await _start(job))
            for process in self._processes:
                await asyncio.wait_for(self._line(process), START_TIMEOUT)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends those that are still there."""
        await self._stack.aclose()

    async def run(self) -> None:
        """Lets all bots work at the same time, and adds up what they write down.

        Raises:
            ProcessFailedError: A process ended with an error, or too late.
        """
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        work = asyncio.gather(*map(self._follow, self._processes))
        try:
            await asyncio.wait_for(work, self._seconds + END_TIMEOUT)
        except asyncio.TimeoutError:
            raise ProcessFailedError("a process of bots did not end in time") from None

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        while line := await self._line(process, may_end=True):
            self._tally.add(json.loads(line))
        if await process.wait():
            await self._failed(process)

    async def _line(self, process: asyncio.subprocess.Process, *, may_end: bool = False) -> bytes:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line and not may_end:
            await self._failed(process)
        return line

    async def _failed(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        said = (await process.stderr.read()).decode(errors="replace").strip()
        raise ProcessFailedError(f"a process of bots failed: {said}")

    async def _end(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.kill()
        for process in self._processes:
            await process.communicate()


async def _start(job: Job) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluicegate.demo.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A line of a process that has sent much is long.
        limit=1 << 24,
        # Ctrl-C in a terminal is for the demo, which ends its processes.
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
    return process
