"""Draws the plots of the documentation from what the benchmarks have written into RESULTS.md.

python -m benches.plots
"""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib import pyplot as plt

from benches.report import RESULTS

IMAGES = Path(__file__).parent.parent / "docs" / "images"
OURS = "sluicegate"
OUR_COLOUR, OTHERS_COLOUR = "#0f9b6c", "#9aa5b1"
#: Can be read on white and on black: a page may be either.
TEXT_COLOUR = "#767b84"

Cells = dict[str, float]


def main() -> None:
    """Write all plots; what nobody has measured is left out."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, title, row, unit, logarithmic in PLOTS:
        cells = numbers(row)
        if len(cells) > 1:
            draw(IMAGES / f"{name}.svg", title, cells, unit, logarithmic)


#: File, title, beginning of the row in RESULTS.md, unit, and whether the axis is logarithmic.
PLOTS = (
    (
        "over",
        "Requests over the exchange's limit, 20 a second, answers in 5 to 250 ms",
        "requests over the server's limit under latency",
        "",
        False,
    ),
    (
        "pass",
        "Time of a request that need not wait, as a multiple of an empty `async with`",
        "uncontended pass, one linked pool",
        " ×",
        True,
    ),
    ("cpu", "CPU time of a request at the limit", "CPU per grant of it", " µs", True),
)


def numbers(beginning: str) -> Cells:
    """The first number of each cell of a row of RESULTS.md, by the heading of its column."""
    heading: list[str] = []
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if OURS in cells:
            heading = cells
        elif heading and cells[0].startswith(beginning):
            found = {name: _number(cell) for name, cell in zip(heading, cells, strict=True)}
            return {k: v for k, v in found.items() if v is not None and k not in ("", "must reach")}
    return {}


def _number(cell: str) -> float | None:
    match = re.match(r"-?[\d,]*\.?\d+", cell)
    return float(match[0].replace(",", "")) if match else None


def draw(path: Path, title: str, cells: Cells, unit: str, logarithmic: bool) -> None:
    """One horizontal bar for each library, ours first."""
    names = sorted(cells, key=lambda name: (name != OURS, cells[name]))[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(names) + 1))
    colours = [OUR_COLOUR if name == OURS else OTHERS_COLOUR for name in names]
    bars = axes.barh(names, [cells[name] for name in names], color=colours)
    axes.bar_label(bars, [f" {cells[name]:,g}{unit}" for name in names], color=TEXT_COLOUR)
    axes.set_title(title, loc="left", fontsize=11, color=TEXT_COLOUR)
    axes.set_xscale("log" if logarithmic else "linear")
    axes.margins(x=0.15)
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=TEXT_COLOUR)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, bbox_inches="tight", transparent=True, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
