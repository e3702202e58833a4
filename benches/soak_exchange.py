"""A quota of a second on the real clock, with many threads at once.

    python benches/soak_exchange.py [seconds]

Never over in any whole second of the clock, and nearly all of it used: exits with 1 otherwise.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter

from sluicegate.exchange import limit

THREADS = 32
CALLS = 200


class Exchange:
    """Notes in which second of the clock it was called."""

    def __init__(self) -> None:
        """Not called yet."""
        self.seen: list[int] = []

    def GetTicker(self) -> bool:
        """Called."""
        # Appending is atomic; counting is done afterwards.
        self.seen.append(time.time_ns() // 1_000_000_000)
        return True


def main() -> int:
    """Runs it; the process's exit code."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    inner = Exchange()
    exchange = limit(inner)
    exchange.IO("quota", "GetTicker", CALLS, "1s", "delay")
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            assert exchange.GetTicker()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu

    calls = Counter(inner.seen)
    # The first and the last second were not there whole.
    whole = [calls[second] for second in range(min(calls) + 1, max(calls))]
    used = sum(whole) / (CALLS * len(whole)) if whole else 1.0
    worst = max(calls.values())
    print(f"{THREADS} threads, {CALLS} calls a second, {len(whole)} whole seconds of the clock")
    print(f"most calls in a second: {worst}; used: {used:.2%}; CPU: {cpu / seconds:.1%}")
    return 0 if worst <= CALLS and used >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
