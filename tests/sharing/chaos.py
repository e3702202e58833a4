"""Processes on one budget in a real server, to which everything happens that may: what went over?

    python -m tests.sharing.chaos [SECONDS [SEED]]

Bots are stopped, killed, ended and started; the server of the store is stopped, killed and started
empty, and loses its connections. Each bot sends to a stand-in of an exchange, which answers how
much it has counted. Others use a part of the limit "beside"; the bots hear of that only by these
answers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate import ClosedError, RateLimit, Share, StoreError, Throttler
from tests.helpers.repository import ROOT
from tests.helpers.servers import RedisServer, server_programs, version_of

ALONE, BESIDE = "alone", "beside"
LIMITS = {ALONE: (40, 0.5), BESIDE: (60, 2.0)}
"""Units and seconds."""
LEASE, ARRIVAL = 2.0, 0.5
LATE = 0.05
"""The most seconds that a request takes to arrive."""
BOTS, TASKS = 4, 6
REQUEST = struct.Struct("<BqI")
"""Which limit, when it passed by the monotonic clock, and which process."""
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Arrival:
    """A request at the exchange: 0 for the process of others."""

    at: int
    left: int
    pid: int


@dataclass
class Exchange:
    """Notes what arrives, and answers how much of the limit is used."""

    socket: str
    arrivals: dict[str, list[Arrival]] = field(
        default_factory=lambda: {limit: [] for limit in LIMITS}
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.socket)
        listener.listen(64)

        def accept() -> None:
            while True:
                stream, _ = listener.accept()
                threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def serve(self, stream: socket.socket) -> None:
        with stream, suppress(OSError):
            while len(asked := stream.recv(REQUEST.size, socket.MSG_WAITALL)) == REQUEST.size:
                which, left, pid = REQUEST.unpack(asked)
                limit = list(LIMITS)[which]
                with self.lock:
                    used = self.count(limit)
                    self.arrivals[limit].append(Arrival(time.monotonic_ns(), left, pid))
                stream.sendall(struct.pack("<I", used + 1))

    def count(self, limit: str) -> int:
        since = time.monotonic_ns() - int(LIMITS[limit][1] * SECOND)
        counted = 0
        for arrival in reversed(self.arrivals[limit]):
            if arrival.at <= since:
                break
            counted += 1
        return counted

    def others_come(self) -> None:
        """One unit of others, if there is room."""
        with self.lock:
            if self.count(BESIDE) < LIMITS[BESIDE][0]:
                now = time.monotonic_ns()
                self.arrivals[BESIDE].append(Arrival(now, now, 0))


def bot(url: str, exchange: str) -> None:
    """One process: half of its threads take of the one limit, half of the other."""
    table = [RateLimit(name, *terms) for name, terms in LIMITS.items()]
    while True:
        try:
            throttler = Throttler(table, share=Share(url, lease=LEASE, arrival=ARRIVAL))
            break
        except StoreError:
            time.sleep(0.1)

    def work(which: int, limit: str) -> None:
        with socket.socket(socket.AF_UNIX) as stream, suppress(ClosedError):
            stream.connect(exchange)
            send(stream, which, limit)

    def send(stream: socket.socket, which: int, limit: str) -> None:
        while True:
            with throttler.execute_task(limit):
                left = time.monotonic_ns()
                time.sleep(random.uniform(0, LATE))
                stream.sendall(REQUEST.pack(which, left, os.getpid()))
                (used,) = struct.unpack("<I", stream.recv(4, socket.MSG_WAITALL))
                age = (time.monotonic_ns() - left) / SECOND
            if limit == BESIDE:
                throttler.observe(limit, used=used, age=age, expect=True)

    for nth in range(TASKS):
        which = nth % len(LIMITS)
        threading.Thread(target=work, args=(which, list(LIMITS)[which]), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(throttler.close() and 0))
    while True:
        time.sleep(0.1)


@dataclass
class Told:
    """What came of it.

    Attributes:
        actions: How often something happened.
        arrivals: Of each limit, how many requests arrived.
        over: How many arrived when the window was full, those of others among them.
        over_own: The same without others.
        over_in_time: The same without requests whose process was stopped in their block.
        late: How many of those there were.
        pace: What was used of a limit once all was mended, of all there was.
    """

    actions: int = 0
    arrivals: dict[str, int] = field(default_factory=dict)
    over: dict[str, int] = field(default_factory=dict)
    over_own: dict[str, int] = field(default_factory=dict)
    over_in_time: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    pace: float = 0.0


def excess(arrivals: list[Arrival], limit: int, interval: float) -> int:
    """How many arrived at which the window held the limit already: those do not count."""
    span, window, over = int(interval * SECOND), list[int](), 0
    for arrival in sorted(arrivals, key=lambda one: one.at):
        window = [at for at in window if at + span > arrival.at]
        if len(window) < limit:
            window.append(arrival.at)
        else:
            over += 1
    return over


class Chaos:
    """The bots, and what happens to them."""

    def __init__(self, redis: RedisServer, exchange: Exchange, seed: int) -> None:
        self.redis, self.exchange, self.random = redis, exchange, random.Random(seed)
        self.bots: list[subprocess.Popen[bytes]] = []
        self.stopped: dict[subprocess.Popen[bytes], float] = {}
        self.redis_back: float | None = None
        self.redis_goes_on: float | None = None
        self.actions = 0

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.sharing.chaos",
            "bot",
            self.redis.url,
            self.exchange.socket,
        ]
        self.bots.append(subprocess.Popen(command, cwd=ROOT))

    def act(self) -> None:
        """Something happens."""
        self.actions += 1
        victim = self.random.choice(self.bots)
        match self.random.choices(range(6), (6, 4, 2, 1, 2, 1))[0]:
            case 0 if victim not in self.stopped:
                victim.send_signal(signal.SIGSTOP)
                self.stopped[victim] = time.monotonic() + self.random.choice((0.3, 1.0, 3.0, 7.0))
            case 1 | 2 as how:
                self.go_on(victim)
                victim.send_signal(signal.SIGKILL if how == 1 else signal.SIGTERM)
                victim.wait()
                self.bots.remove(victim)
                self.start()
            case 3 if self.redis_back is None and self.redis_goes_on is None:
                self.redis.kill()
                self.redis_back = time.monotonic() + self.random.uniform(0, 4)
            case 4 if self.redis_back is None and self.redis_goes_on is None:
                os.kill(self.redis.pid, signal.SIGSTOP)
                self.redis_goes_on = time.monotonic() + self.random.choice((0.2, 1.0, 4.0))
            case 5 if self.redis_back is None and self.redis_goes_on is None:
                self.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def go_on(self, one: subprocess.Popen[bytes]) -> None:
        if self.stopped.pop(one, None) is not None:
            one.send_signal(signal.SIGCONT)

    def mend(self, all_of_it: bool = False) -> None:
        """What was stopped long enough goes on."""
        now = time.monotonic()
        for one in [one for one, until in self.stopped.items() if all_of_it or until < now]:
            self.go_on(one)
        if self.redis_goes_on is not None and (all_of_it or self.redis_goes_on < now):
            os.kill(self.redis.pid, signal.SIGCONT)
            self.redis_goes_on = None
        if self.redis_back is not None and (all_of_it or self.redis_back < now):
            self.redis.start()
            self.redis_back = None

    def run(self, seconds: float) -> None:
        end, acts_at, others_at = time.monotonic() + seconds, 0.0, 0.0
        while (now := time.monotonic()) < end:
            self.mend()
            if now > acts_at:
                acts_at = now + self.random.uniform(0.1, 1.5)
                self.act()
            if now > others_at:
                # A third of the limit.
                others_at = now + self.random.expovariate(LIMITS[BESIDE][0] / LIMITS[BESIDE][1] / 3)
                self.exchange.others_come()
            time.sleep(0.005)
        self.mend(True)


def chaos(program: Path, seconds: float, seed: int) -> Told:
    """Runs it, and then leaves all in peace until everything must be back."""
    folder = tempfile.mkdtemp(prefix="chaos-")
    exchange = Exchange(f"{folder}/exchange")
    exchange.listen()
    with RedisServer(program) as redis:
        scene = Chaos(redis, exchange, seed)
        for _ in range(BOTS):
            scene.start()
        try:
            time.sleep(LEASE + ARRIVAL + 3)
            scene.run(seconds)
            limit, interval = LIMITS[ALONE]
            time.sleep(LEASE + ARRIVAL + interval + 3)
            before = len(exchange.arrivals[ALONE])
            time.sleep(10 * interval)
            whole = len(exchange.arrivals[ALONE]) - before
        finally:
            scene.mend(True)
            for one in scene.bots:
                one.kill()
                one.wait()
    told = Told(scene.actions, pace=whole / (10 * limit))
    for name, (limit, interval) in LIMITS.items():
        arrivals = exchange.arrivals[name]
        own = [one for one in arrivals if one.pid]
        # Their process was stopped while they were in their block: no store can fetch them back.
        in_time = [one for one in own if one.at - one.left <= ARRIVAL * SECOND]
        told.arrivals[name] = len(arrivals)
        told.over[name] = excess(arrivals, limit, interval)
        told.over_own[name] = excess(own, limit, interval)
        told.over_in_time[name] = excess(in_time, limit, interval)
        told.late[name] = len(own) - len(in_time)
    return told


def main() -> None:
    if sys.argv[1:2] == ["bot"]:
        bot(*sys.argv[2:])
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for program in server_programs():
        told = chaos(program, seconds, seed)
        sys.stdout.write(f"{version_of(program)}, {json.dumps(told.__dict__)}\n")


if __name__ == "__main__":
    main()
