"""One process of a run: its tasks ask a limiter, and send what it lets through to the server.

    python -m benches.share.bot SPEC

It prints "ready" once it has joined, waits for the line "FROM UNTIL" (instants of the monotonic
clock, in nanoseconds), and prints what it did as JSON: at UNTIL, or when it gets SIGTERM.
"""

import asyncio

# Loaded before rights are given up: the interpreter itself may be in a folder of root's.
import concurrent.futures.thread  # noqa: F401
import contextlib
import json
import logging
import os
import random
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benches.share.limiters import LIMITERS, Limiter
from benches.share.server import ANSWER, HELLO, REQUEST
from sluicegate._core import share_visits

SHARING = "sluicegate-shar"
"""What the kernel calls the thread that shares: 15 letters of its name."""
LATENCY = (0.005, 0.100)
"""The least and the most seconds that a request is on its way, if nothing else is said."""


@dataclass
class Spec:
    """What a bot does.

    Attributes:
        number: Which of the bots it is.
        server: The server's socket.
        library: Whose limiter.
        url: The store; empty for none.
        limit: Requests in any `interval`.
        interval: Seconds.
        tasks: How many ask at once.
        pause: The mean of the seconds that a task rests between two requests; 0 for no rest.
        user: Whose rights it has, if not those of whoever runs this.
        latency: The least and the most seconds that a request is on its way.
        settle: So many seconds of the run are not measured: until units have found their places.
    """

    number: int
    server: str
    library: str
    url: str
    limit: int
    interval: float
    tasks: int
    pause: float = 0.0
    latency: tuple[float, float] = LATENCY
    user: int | None = None
    settle: float = 0.0


@dataclass
class Done:
    """What a bot did.

    Attributes:
        number: Which of the bots it is.
        departures: When its requests left.
        waits: How many seconds each had waited for that.
        counted: How many requests left while the next three were measured.
        rounds: The same requests, and their CPU time, of one round of all units after the other.
        cpu: Seconds of CPU time, of all its threads.
        sharing: The part of it that sluicegate's thread used which shares the budget.
        visits: How often sluicegate asked the store.
        errors: What went wrong in its tasks.
        log: What the library warned of.
    """

    number: int
    departures: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    counted: int = 0
    rounds: list[tuple[int, float]] = field(default_factory=list)
    cpu: float = 0.0
    sharing: float = 0.0
    visits: int = 0
    errors: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class Line:
    """The connection to the server."""

    def __init__(self, address: str, number: int) -> None:
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.connect(address)
        self.stream.sendall(HELLO.pack(number))
        self.stream.setblocking(False)
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.last = 0
        self.bytes = b""
        asyncio.get_running_loop().add_reader(self.stream, self._read)

    async def send(self, delay: float) -> None:
        """Sends a request that is on its way for so long, and waits for the answer."""
        self.last += 1
        number = self.last
        answered = self.waiting[number] = asyncio.get_running_loop().create_future()
        self.stream.send(REQUEST.pack(number, int(delay * 1e6)))
        try:
            await answered
        finally:
            self.waiting.pop(number, None)

    def _read(self) -> None:
        self.bytes += self.stream.recv(65536)
        whole = len(self.bytes) // ANSWER.size * ANSWER.size
        for (number,) in ANSWER.iter_unpack(self.bytes[:whole]):
            if (answered := self.waiting.get(number)) and not answered.done():
                answered.set_result(None)
        self.bytes = self.bytes[whole:]


def used() -> tuple[float, float, int]:
    """What this process has used: CPU time, that of the thread which shares, and visits."""
    sharing = 0
    # There is none but on Linux, and a thread may have ended meanwhile.
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):
            if thread.joinpath("comm").read_text() == f"{SHARING}\n":
                sharing += int(thread.joinpath("schedstat").read_text().split()[0])
    return time.process_time(), sharing / 1e9, share_visits()[0]


async def work(spec: Spec, limiter: Limiter, done: Done, begin: int, until: int) -> None:
    """Lets the tasks ask, from one instant until the other."""
    line = Line(spec.server, spec.number)
    ends = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ends.set)

    sent: set[int] = set()

    async def ask(task: int) -> None:
        rng = random.Random(spec.number * spec.tasks + task)
        while not ends.is_set():
            if spec.pause:
                await asyncio.sleep(rng.expovariate(1 / spec.pause))
            asked = time.monotonic_ns()
            async with limiter.request():
                now = time.monotonic_ns()
                done.departures.append(now)
                if spec.pause:
                    done.waits.append((now - asked) / 1e9)
                sent.add(task)
                await line.send(rng.uniform(*spec.latency))
                sent.discard(task)

    await asyncio.sleep((begin - time.monotonic_ns()) / 1e9)
    tasks = [asyncio.create_task(ask(task)) for task in range(spec.tasks)]

    async def ended(at: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ends.wait(), (at - time.monotonic_ns()) / 1e9)

    at = begin + spec.settle * 1e9
    await ended(at)
    before, first = used(), len(done.departures)
    # All units go round once in that time: an interval after its answer, each is free again.
    each = (spec.interval + sum(spec.latency) / 2) * 1e9
    seen, cpu = first, before[0]
    while at + each <= until and not ends.is_set():
        at += each
        await ended(at)
        now_seen, now_cpu = len(done.departures), time.process_time()
        done.rounds.append((now_seen - seen, now_cpu - cpu))
        seen, cpu = now_seen, now_cpu
    await ended(until)
    now = used()
    done.cpu, done.sharing = now[0] - before[0], now[1] - before[1]
    done.visits = now[2] - before[2]
    done.counted = len(done.departures) - first
    ends.set()
    # What was sent cannot be called back: its answer is waited for.
    for number, task in enumerate(tasks):
        if number not in sent:
            task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            done.errors.append(f"{type(outcome).__name__}: {outcome}")


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.INFO)
        self.into = into

    def emit(self, record: logging.LogRecord) -> None:
        self.into.append(f"{record.levelname}: {record.getMessage()}")


def main() -> None:
    """Plays the part that the argument says."""
    values = json.loads(sys.argv[1])
    spec = Spec(**{**values, "latency": tuple(values["latency"])})
    done = Done(spec.number)
    logger = logging.getLogger("sluicegate")
    logger.addHandler(Kept(done.log))
    logger.setLevel(logging.INFO)
    limiter = None
    if spec.user is not None:
        os.setgroups([])
        os.setgid(spec.user)
        os.setuid(spec.user)

    async def run() -> None:
        # Some need a running loop from the start.
        nonlocal limiter
        limiter = LIMITERS[spec.library](spec.url, spec.limit, spec.interval)
        print("ready", flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        begin, until = map(int, line.split())
        await work(spec, limiter, done, begin, until)

    try:
        asyncio.run(run())
        if limiter is not None:
            limiter.close()
    except Exception as error:
        done.errors.append(f"{type(error).__name__}: {error}")
    json.dump(asdict(done), sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
