"""How fast the caches are, side by side: one process, 100 string keys.

Run: python benches/bench_cache.py [--rounds N] [--check]

The machine may be busy, so the rounds of all caches are interleaved, the medians are compared,
and what counts is the ratio to cachebox (a cache in Rust). With `--check` it fails if `get` of a
present key or an evicting `set` is slower than cachebox's by more than the noise.
"""

import argparse
import gc
import statistics
import sys
from collections.abc import Callable, MutableMapping
from time import perf_counter_ns
from typing import Any

import cachebox
import cachetools

import sluicegate

SIZE = 100
KEYS = [f"COIN{n}/USDT" for n in range(SIZE)]
OTHERS = [f"OTHER{n}/USDT" for n in range(SIZE)]
# Equal, but not the same objects: as keys are that come out of a message.
EQUAL = [key[:4] + key[4:] for key in KEYS]
NOISE = 1.05
CHECKED = {"get, hit", "set, evicting"}

Cache = MutableMapping[str, Any]


def time_get(cache: Cache, keys: list[str], repeat: int) -> float:
    """Nanoseconds for `cache.get(key)`, written as a program writes it."""
    rounds = range(repeat)
    start = perf_counter_ns()
    for _ in rounds:
        for key in keys:
            cache.get(key)
    return (perf_counter_ns() - start) / repeat / len(keys)


def time_bound_get(cache: Cache, keys: list[str], repeat: int) -> float:
    """Nanoseconds for `get`, looked up once."""
    get = cache.get
    rounds = range(repeat)
    start = perf_counter_ns()
    for _ in rounds:
        for key in keys:
            get(key)
    return (perf_counter_ns() - start) / repeat / len(keys)


def time_getitem(cache: Cache, keys: list[str], repeat: int) -> float:
    """Nanoseconds for `cache[key]`."""
    rounds = range(repeat)
    start = perf_counter_ns()
    for _ in rounds:
        for key in keys:
            cache[key]
    return (perf_counter_ns() - start) / repeat / len(keys)


def time_set(cache: Cache, keys: list[str], repeat: int) -> float:
    """Nanoseconds for `cache[key] = value`."""
    rounds = range(repeat)
    start = perf_counter_ns()
    for _ in rounds:
        for key in keys:
            cache[key] = key
    return (perf_counter_ns() - start) / repeat / len(keys)


MAKERS: dict[str, Callable[[], Any]] = {
    "dict": dict,
    "cachetools TTLCache": lambda: cachetools.TTLCache(SIZE, 300),
    "cachebox TTLCache": lambda: cachebox.TTLCache(SIZE, 300),
    "sluicegate TTLCache": lambda: sluicegate.TTLCache(SIZE, 300),
    "cachetools LRUCache": lambda: cachetools.LRUCache(SIZE),
    "cachebox LRUCache": lambda: cachebox.LRUCache(SIZE),
    "sluicegate LRUCache": lambda: sluicegate.LRUCache(SIZE),
}

# The evicting set walks through twice as many keys as there is room for, so each one evicts.
CASES: dict[str, tuple[Callable[[Any, list[str], int], float], list[str]]] = {
    "get, hit": (time_get, KEYS),
    "get, looked up once": (time_bound_get, KEYS),
    "get, equal key": (time_get, EQUAL),
    "[key], hit": (time_getitem, KEYS),
    "set, present": (time_set, KEYS),
    "set, evicting": (time_set, OTHERS + KEYS),
}


def measure(rounds: int) -> dict[tuple[str, str], list[float]]:
    """Nanoseconds per call, of every round, by cache and case."""
    caches = {name: make() for name, make in MAKERS.items()}
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for case, (run, keys) in CASES.items():
            for name, cache in caches.items():
                if case == "set, evicting" and name == "dict":
                    continue
                for key in KEYS:
                    cache[key] = key
                repeat = (5_000 if "cachetools" in name else 60_000) // len(keys)
                gc.collect()
                gc.disable()
                run(cache, keys, 1)
                times.setdefault((name, case), []).append(run(cache, keys, repeat))
                gc.enable()
    return times


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--check", action="store_true", help="fail if slower than cachebox")
    options = parser.parse_args()
    times = measure(options.rounds)

    print(f"ns per call, median of {options.rounds} interleaved rounds (ratio to cachebox)")
    print("".join(f"{head:>22}" for head in ["", *CASES]))
    slower = []
    for name in MAKERS:
        kind = name.rpartition(" ")[2] if name != "dict" else "TTLCache"
        row = f"{name:>22}"
        for case in CASES:
            if (name, case) not in times:
                row += f"{'-':>22}"
                continue
            median = statistics.median(times[name, case])
            # Round by round, for the noise of a round is shared.
            pairs = zip(times[name, case], times[f"cachebox {kind}", case], strict=True)
            ratio = statistics.median(own / peer for own, peer in pairs)
            row += f"{f'{median:,.0f} ({ratio:.2f})':>22}"
            if name.startswith("sluicegate TTL") and case in CHECKED and ratio > NOISE:
                slower.append(f"{case}: {ratio:.2f} times cachebox")
        print(row)
    if options.check and slower:
        print("slower than cachebox: " + "; ".join(slower), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
