"""A bot of its own process: joins a budget, says so, and then sends requests as it is told.

It reads one order a line: ``send N`` sends N requests and answers ``sent``, ``quit`` ends it, and
so does the end of its input. Each request writes the instant at which a server would have seen it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from typing import Any

from sluicegate import RateLimit, Share, Throttler


class Bot:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        table = [RateLimit(**limit) for limit in options["table"]]
        self.throttler = Throttler(table, share=Share(options["url"], **options["share"]))
        self.log = os.open(options["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self.left = 0
        self.lock = threading.Lock()

    def more(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def arrive(self) -> None:
        os.write(self.log, f"{time.clock_gettime_ns(time.CLOCK_MONOTONIC)}\n".encode())

    def late(self) -> float:
        return random.uniform(0, self.options["late"])

    def in_thread(self) -> None:
        while self.more():
            with self.throttler.execute_task("x"):
                time.sleep(self.late())
                self.arrive()
                time.sleep(self.late())

    async def in_task(self) -> None:
        while self.more():
            async with self.throttler.execute_task("x"):
                await asyncio.sleep(self.late())
                self.arrive()
                await asyncio.sleep(self.late())

    def in_loop(self) -> None:
        async def all_tasks() -> None:
            await asyncio.gather(*[self.in_task() for _ in range(self.options["tasks"])])

        asyncio.run(all_tasks())

    def send(self, requests: int) -> None:
        self.left = requests
        work = [self.in_thread] * self.options["threads"] + [self.in_loop]
        threads = [threading.Thread(target=target) for target in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    bot = Bot(json.loads(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order, *arguments = line.split()
        if order == "quit":
            break
        bot.send(int(arguments[0]))
        sys.stdout.write("sent\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
