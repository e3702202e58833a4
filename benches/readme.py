"""Says which figures of the README are no longer those of RESULTS.md.

python -m benches.readme
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from benches.report import RESULTS

README = Path(__file__).parent.parent / "README.md"
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")

#: Beginnings of the rows of RESULTS.md from which a row of the README is, by the beginning of that.
ROWS = {
    "requests that the server saw above its limit": ["requests over the server's limit under"],
    "most requests that the server saw in one window": ["the worst rolling window of it"],
    "time of one pass that need not wait": ["uncontended pass, one linked pool"],
    "CPU time of one request, at the limit": ["CPU per grant of it"],
    "for 60 s; 15 %": ["trading for 60 s"],
    "restarted at the limit": ["restarted at the limit"],
    "others use 35 %": ["others use 35 % of the weight, for 300 s"],
    "8 threads, one object": ["8 threads, one synchronous object"],
    "8 threads, 8 objects": ["8 threads, 8 synchronous objects"],
    "two asynchronous objects": ["two asynchronous objects"],
    "CPU of pacing one request": ["CPU of pacing, a request at the limit"],
    "first request after the start": ["cold: the first call"],
    "second request, and one after": ["again at once", "the first call after an hour"],
    "20 of the pairs are delisted": ["20 of the pairs delisted"],
    "8 requests at the same time": ["8 callers at once"],
}
#: The column of RESULTS.md that a column of the README is.
COLUMNS = {
    "with sluicegate": "sluicegate",
    "Hummingbot alone": "Hummingbot",
    "ccxt alone": "ccxt",
    "Freqtrade alone": "stock",
}


def main() -> None:
    """Print a line for each figure that differs."""
    measured = RESULTS.read_text(encoding="utf-8")
    for line in differences(README.read_text(encoding="utf-8"), measured):
        print(line)


def differences(readme: str, measured: str) -> Iterator[str]:
    """What the README says otherwise, or says of something that is not measured."""
    for label, cells in rows(readme.partition("## Measured")[2].partition("\n## ")[0]):
        beginnings = next((ROWS[known] for known in ROWS if label.startswith(known)), None)
        if beginnings is None:
            yield f"no row of RESULTS.md is known for {label!r}"
            continue
        found = [row for name, row in rows(measured) if name.startswith(tuple(beginnings))]
        for column, cell in cells.items():
            here = [row.get(COLUMNS.get(column, column), "") for row in found]
            told = [float(one.replace(",", "")) for one in NUMBER.findall(" ".join(here))]
            for number in NUMBER.findall(cell):
                decimals = len(number.partition(".")[2])
                if float(number.replace(",", "")) not in {round(one, decimals) for one in told}:
                    yield f"{label}, {column}: {number} in the README; {'; '.join(here)!r} measured"


def rows(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of all tables: the first cell, and the others by the heading of their column."""
    heading: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            heading = []
            continue
        first, *cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        if not heading:
            heading = cells
        elif not set(first) <= set("-: "):
            yield first, dict(zip(heading, cells, strict=False))


if __name__ == "__main__":
    main()
