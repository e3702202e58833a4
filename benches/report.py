"""The table: on the terminal, and in RESULTS.md with the machine that it was measured on."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sluicegate import __version__

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True)
class Row:
    """A row of the table: its key, what it is called, and what sluicegate must reach."""

    key: str
    title: str
    target: str


@dataclass(frozen=True)
class Figure:
    """A cell of the table."""

    row: str
    library: str
    text: str
    met: bool | None
    wrong: bool

    def marked(self) -> str:
        """The text, with whether the target was reached."""
        return self.text if self.met is None else f"{self.text} {'✓' if self.met else '✗'}"


def machine(libraries: Iterable[str]) -> list[str]:
    """What it ran on: nothing that tells whose machine it is."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
        models = [
            line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if "model name" in line
        ]
    except OSError:
        models = []
    model = models[0] if models else platform.processor() or platform.machine()
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = ""
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    versions = [f"sluicegate {__version__}"]
    versions += [f"{name} {metadata.version(name)}" for name in libraries]
    load = (
        f", load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    )
    return [
        f"Date: {datetime.now(timezone.utc):%Y-%m-%d}",
        f"CPU: {model}, {os.cpu_count()} cores{load}",
        f"System: {', '.join(filter(None, (system, kernel)))}",
        f"Python: {platform.python_implementation()} {platform.python_version()} "
        f"({platform.python_compiler()})",
        f"Versions: {', '.join(versions)}",
    ]


def _grid(
    rows: Sequence[Row], figures: Sequence[Figure], libraries: Sequence[str]
) -> list[list[str]]:
    """The cells, row by row; a row nobody has measured is left out."""
    cells = {(figure.row, figure.library): figure.marked() for figure in figures}
    return [
        [row.title, row.target, *(cells.get((row.key, library), "–") for library in libraries)]
        for row in rows
        if any(figure.row == row.key for figure in figures)
    ]


def show(
    console: Console, rows: Sequence[Row], figures: Sequence[Figure], libraries: Sequence[str]
) -> None:
    """Prints the table."""
    table = Table("", "must reach", *libraries, show_lines=True)
    for cells in _grid(rows, figures, libraries):
        colour = {"✓": "green", "✗": "red"}.get(cells[2][-1:], "default")
        table.add_row(cells[0], cells[1], f"[{colour}]{cells[2]}[/]", *cells[3:])
    console.print(table)


def markdown(rows: Sequence[Row], figures: Sequence[Figure], libraries: Sequence[str]) -> list[str]:
    """The table's lines."""
    header = ["", "must reach", *libraries]
    grid = (header, ["---"] * len(header), *_grid(rows, figures, libraries))
    return ["| " + " | ".join(cells) + " |" for cells in grid]


def write(
    rows: Sequence[Row],
    figures: Sequence[Figure],
    libraries: Sequence[str],
    distributions: Sequence[str],
    notes: Sequence[str],
    missing: dict[str, str],
) -> None:
    """Writes the part of `make bench`."""
    left_out = [f"- {name} was left out: {reason}." for name, reason in missing.items()]
    lines = [
        "# Side by side, measured",
        "",
        "Written by `make bench`. ✓ and ✗: whether sluicegate reached what it must. –: not "
        "measured for this library.",
        "",
        *(f"- {line}" for line in machine(distributions)),
        *left_out,
        "",
        *markdown(rows, figures, libraries),
        "",
        "## How it was measured",
        "",
        "All in one process, one after another. Ratios come from short rounds in which the "
        "contestants take turns, beginning with another one each round; each figure is the "
        "median of the ratios within a round, so that whatever slows the machine slows both. The "
        "garbage collector is off during such rounds, for all alike.",
        "",
        *(f"- {note}" for note in notes),
    ]
    write_part("make bench", lines)


def write_part(command: str, lines: Sequence[str]) -> None:
    """Writes what one command has measured into RESULTS.md; the other parts stay as they are.

    A part begins with a comment that names its command.
    """
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    _, *found = re.split(r"^<!-- (make .+) -->\n", text, flags=re.MULTILINE)
    parts = dict(zip(found[::2], found[1::2], strict=True))
    parts[command] = "\n".join(lines)
    RESULTS.write_text(
        "\n".join(f"<!-- {name} -->\n{parts[name].strip()}\n" for name in sorted(parts)),
        encoding="utf-8",
    )
    print(
        "written: "
        f"{RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS.name}"
    )


def failed(figures: Sequence[Figure]) -> int:
    """How many promises were broken; says which."""
    wrong = [figure for figure in figures if figure.wrong]
    for figure in wrong:
        print(f"broken: {figure.row}: {figure.text}", file=sys.stderr)
    return len(wrong)
