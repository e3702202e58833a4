"""How fast the caches are, side by side: one process, 100 string keys.

Run: make bench-cache, or python -m benches.bench_cache [--rounds N] [--check] [--write]

Rounds are short and the contestants take turns in them; each figure is the median over all rounds,
and the ratio to cachebox (a cache in Rust) is taken within each round, so that whatever slows the
machine slows both. With `--check` it fails if any row is slower than cachebox's by more than the
noise; with `--write` the table goes into RESULTS.md.
"""

import argparse
import sys
from collections.abc import Callable, MutableMapping
from statistics import median
from time import perf_counter_ns
from typing import Any

import cachebox
import cachetools

import sluicegate
from benches.measure import Spread, ratio, steady
from benches.report import machine, write_part

SIZE = 100
KEYS = [f"COIN{n}/USDT" for n in range(SIZE)]
OTHERS = [f"OTHER{n}/USDT" for n in range(SIZE)]
# Equal, but not the same objects: as keys are that come out of a message.
EQUAL = [key[:4] + key[4:] for key in KEYS]
CALLS = 2_000
"""Of each contestant in a round: a tenth of a millisecond, so that most rounds are left alone."""

MOST = 1.0
"""What a call may take of cachebox's, as it is shown: to two places."""

Cache = MutableMapping[str, Any]


def get(cache: Cache, keys: list[str], repeat: int) -> None:
    """`cache.get(key)`, as a program writes it."""
    for _ in range(repeat):
        for key in keys:
            cache.get(key)


def bound_get(cache: Cache, keys: list[str], repeat: int) -> None:
    """`get`, looked up once."""
    get = cache.get
    for _ in range(repeat):
        for key in keys:
            get(key)


def getitem(cache: Cache, keys: list[str], repeat: int) -> None:
    """`cache[key]`."""
    for _ in range(repeat):
        for key in keys:
            cache[key]


def setitem(cache: Cache, keys: list[str], repeat: int) -> None:
    """`cache[key] = value`."""
    for _ in range(repeat):
        for key in keys:
            cache[key] = key


KINDS: dict[str, dict[str, Callable[[], Any]]] = {
    "TTLCache": {
        "cachetools": lambda: cachetools.TTLCache(SIZE, 300),
        "cachebox": lambda: cachebox.TTLCache(SIZE, 300),
        "sluicegate": lambda: sluicegate.TTLCache(SIZE, 300),
    },
    "LRUCache": {
        "cachetools": lambda: cachetools.LRUCache(SIZE),
        "cachebox": lambda: cachebox.LRUCache(SIZE),
        "sluicegate": lambda: sluicegate.LRUCache(SIZE),
    },
}

CASES: dict[str, tuple[Callable[[Any, list[str], int], None], list[str]]] = {
    "`cache.get(key)`, hit": (get, KEYS),
    "`get(key)`, looked up once, hit": (bound_get, KEYS),
    "the same, equal key": (bound_get, EQUAL),
    "`cache[key]`, hit": (getitem, KEYS),
    "`cache.get(key)`, miss": (get, OTHERS),
    "`get(key)`, looked up once, miss": (bound_get, OTHERS),
    "`cache[key] = value`, present": (setitem, KEYS),
    # Twice as many keys as there is room for, in turn: each one evicts.
    "`cache[key] = value`, evicting": (setitem, OTHERS + KEYS),
}


def measure(kind: str, case: str, rounds: int) -> list[dict[str, float]]:
    """Nanoseconds per call, by library, of every round."""
    run, keys = CASES[case]
    caches = {library: make() for library, make in KINDS[kind].items()}
    for cache in caches.values():
        setitem(cache, KEYS, 1)
        run(cache, keys, 1)
    found = []
    with steady():
        for turn in range(rounds):
            first = turn % len(caches)
            names = [*caches][first:] + [*caches][:first]
            times: dict[str, float] = dict.fromkeys(caches, 0.0)
            for library in names:
                repeat = (CALLS // 10 if library == "cachetools" else CALLS) // len(keys)
                begin = perf_counter_ns()
                run(caches[library], keys, repeat)
                times[library] = (perf_counter_ns() - begin) / repeat / len(keys)
            found.append(times)
    return found


def table(rounds: int) -> tuple[list[str], list[str]]:
    """The lines of the table, and the rows in which sluicegate is slower than cachebox."""
    lines = [
        "| | cachetools | cachebox | sluicegate | sluicegate : cachebox |",
        "| --- | --- | --- | --- | --- |",
    ]
    slower = []
    for kind in KINDS:
        for case in CASES:
            found = measure(kind, case, rounds)
            times = [f"{median(times[library] for times in found):.0f} ns" for library in found[0]]
            spread: Spread = ratio(found, "sluicegate", "cachebox")
            mark = "✓" if round(spread.median, 2) <= MOST else "✗"
            lines.append(f"| {kind}: {case} | {' | '.join(times)} | {spread} {mark} |")
            print(lines[-1], flush=True)
            if round(spread.median, 2) > MOST:
                slower.append(f"{kind}: {case}: {spread.median:.2f} times cachebox")
    return lines, slower


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=301)
    parser.add_argument("--check", action="store_true", help="fail if slower than cachebox")
    parser.add_argument("--write", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    lines, slower = table(options.rounds)
    if options.write:
        heading = [
            "# Caches, side by side",
            "",
            "Written by `make bench-cache`. Nanoseconds per call; the ratio with its quartiles. "
            "The ratio must be at most 1.00.",
            "",
            *(f"- {line}" for line in machine(["cachebox", "cachetools"])),
            "",
        ]
        write_part("make bench-cache", heading + lines)
    if options.check and slower:
        print("slower than cachebox: " + "; ".join(slower), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
