"""The demo's bots: each sends one request after another, as fast as its limiter permits."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from sluicegate import Throttler
from sluicegate.demo.mix import Call

Gate = Callable[[Call], AbstractAsyncContextManager[object]]
"""What a request passes before it leaves."""


def gate_of(throttler: Throttler) -> Gate:
    """A throttler's gate, through which cancels go first, and then orders."""
    return lambda call: throttler.execute_task(call.id, priority=call.priority)


Listen = Callable[[Call, int, Mapping[str, str], bytes, float], object]
"""What is told of an answer: call, status, headers, body, and seconds since it was sent."""


class Wait(NamedTuple):
    """How long one request waited at the gate.

    Attributes:
        group: What it is for (see `Call`).
        end: When it left, or the run ended, in seconds since the run began.
        seconds: For how long it waited.
    """

    group: str
    end: float
    seconds: float


@dataclass(slots=True)
class Tally:
    """What the bots saw.

    Attributes:
        statuses: Answers by HTTP status.
        failures: Requests that got no answer.
        waits: How long each request waited at the gate, also those that were still waiting when the
            run ended.
        unsent: How many of `waits` were still waiting when the run ended.
        answers: Seconds from leaving the gate to the answer, of each request that got one.
        used: The units in the exchange's window according to the latest answer; None before any.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: int = 0
    waits: list[Wait] = field(default_factory=list)
    unsent: int = 0
    answers: list[float] = field(default_factory=list)
    used: int | None = None
    _told: tuple[int, int, int, int] = (0, 0, 0, 0)
    _told_statuses: Counter[int] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Requests that got an answer, whichever."""
        return len(self.answers)

    def take(self) -> dict[str, Any]:
        """What was written down since this was called last, as `add` and JSON know it."""
        waits, answers = self.waits[self._told[0] :], self.answers[self._told[1] :]
        statuses = self.statuses - self._told_statuses
        unsent, failures = self.unsent - self._told[2], self.failures - self._told[3]
        self._told = (len(self.waits), len(self.answers), self.unsent, self.failures)
        self._told_statuses = self.statuses.copy()
        return {
            "statuses": {str(status): count for status, count in statuses.items()},
            "waits": waits,
            "answers": answers,
            "unsent": unsent,
            "failures": failures,
            "used": self.used,
        }

    def add(self, more: dict[str, Any]) -> None:
        """Adds what the bots of another process saw."""
        for status, count in more["statuses"].items():
            self.statuses[int(status)] += count
        self.waits += [Wait(*wait) for wait in more["waits"]]
        self.answers += more["answers"]
        self.unsent += more["unsent"]
        self.failures += more["failures"]
        if more["used"] is not None:
            self.used = more["used"]


class Crowd:
    """Bots that share a gate.

    They do not slow down for a 429 or a 418: what holds them back is the gate, and nothing else.

    Args:
        session: Where the exchange is.
        gate: What each request passes.
        mix: What they ask for.
        tally: What they write down.
        header: Header of the answers with the units used.
        seed: Of their choices.
        listen: What is told of each answer; nobody is by default.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        gate: Gate,
        mix: list[Call],
        tally: Tally,
        header: str | None,
        seed: int,
        listen: Listen | None = None,
    ) -> None:
        """A crowd that has not begun yet."""
        self._session, self._gate, self._mix, self._tally = session, gate, mix, tally
        self._shares = [call.share for call in mix]
        self._header = header or ""
        self._seed = seed
        self._listen = listen
        self._waiting: dict[asyncio.Task[None], tuple[Call, float]] = {}
        self._begin = 0.0

    async def run(self, bots: int, seconds: float, first: int = 0) -> None:
        """Let so many bots work for so long; requests that left by then are still answered.

        Args:
            bots: How many.
            seconds: For how long.
            first: The number of the first of them, which decides what they ask for.
        """
        loop = asyncio.get_running_loop()
        self._begin = loop.time()
        end = self._begin + seconds
        tasks = [asyncio.create_task(self._bot(first + i, end)) for i in range(bots)]
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
            )
            for task in done:
                task.result()
            # Those that wait at the gate have sent nothing; the others get their answers.
            for task, (call, since) in list(self._waiting.items()):
                self._waited(call, since, loop.time())
                self._tally.unsent += 1
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _bot(self, number: int, end: float) -> None:
        clock = asyncio.get_running_loop().time
        chance = random.Random(self._seed * 1_000_003 + number)  # noqa: S311 - nothing is secret
        task = asyncio.current_task()
        assert task is not None
        while (asked := clock()) < end:
            (call,) = chance.choices(self._mix, self._shares)
            self._waiting[task] = call, asked
            try:
                async with self._gate(call):
                    passed = clock()
                    del self._waiting[task]
                    self._waited(call, asked, passed)
                    await self._request(call)
                    self._tally.answers.append(clock() - passed)
            except aiohttp.ClientError:
                self._tally.failures += 1
                await asyncio.sleep(0.01)  # An exchange that is gone must not keep a core busy.
            finally:
                self._waiting.pop(task, None)

    def _waited(self, call: Call, since: float, until: float) -> None:
        self._tally.waits.append(Wait(call.group, until - self._begin, until - since))

    async def _request(self, call: Call) -> None:
        sent = time.monotonic()
        async with self._session.request(call.method, call.path) as response:
            body = await response.read()
        if self._listen is not None:
            elapsed = time.monotonic() - sent
            self._listen(call, response.status, response.headers, body, elapsed)
        self._tally.statuses[response.status] += 1
        used = response.headers.get(self._header)
        if used is not None:
            self._tally.used = int(used)
