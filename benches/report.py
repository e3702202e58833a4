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
    parts = _parts()
    parts[command] = "\n".join(lines)
    RESULTS.write_text(
        "\n".join(f"<!-- {name} -->\n{parts[name].strip()}\n" for name in sorted(parts)),
        encoding="utf-8",
    )
    print(
        "written: "
        f"{RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS.name}"
    )


def _parts() -> dict[str, str]:
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    _, *found = re.split(r"^<!-- (make .+) -->\n", text, flags=re.MULTILINE)
    return dict(zip(found[::2], found[1::2], strict=True))


def update_part(
    command: str,
    rows: Sequence[Row],
    figures: Sequence[Figure],
    notes: Sequence[str],
    outdated: Sequence[str] = (),
) -> None:
    """Replaces some rows of a part, and their notes; what else was measured stays.

    A note is told from others by what it says before its first colon.

    Args:
        command: The part's.
        rows: All rows of the part, in their order.
        figures: What was measured.
        notes: About it.
        outdated: The beginnings of notes that are true no longer, up to the first colon.

    Raises:
        ValueError: There is no such part.
    """
    parts = _parts()
    if command not in parts:
        raise ValueError(f"{RESULTS.name} has no part of {command!r}: measure all of it first")
    gone = tuple(f"- {beginning}:" for beginning in outdated)
    lines = [one for one in parts[command].rstrip().splitlines() if not one.startswith(gone)]
    header = next(at for at, line in enumerate(lines) if re.match(r"\| *\| must reach \|", line))
    _, *libraries = (cell.strip() for cell in lines[header].strip("| ").split("|"))
    _, _, *new = markdown(rows, figures, libraries)
    at = header + 2
    titles = [row.title for row in rows]
    for line in new:
        # Behind those that come before it.
        while at < len(lines) and (title := _title(lines[at])) in titles:
            if titles.index(title) >= titles.index(_title(line)):
                break
            at += 1
        is_there = at < len(lines) and _title(lines[at]) == _title(line)
        lines[at : at + is_there] = [line]
    realtime = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER
    how = ", with real-time priority beside other programs" if realtime else ""
    load = f"load average {os.getloadavg()[0]:.1f}{how}" if hasattr(os, "getloadavg") else ""
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    apart = [f"{_title(line)}: measured apart, on {day}, {load}." for line in new]
    for note in (*notes, *(f"{text[:1].upper()}{text[1:]}" for text in apart)):
        line = f"- {note}"
        known = line.partition(":")[0] + ":"
        places = [at for at, other in enumerate(lines) if other.startswith(known)]
        at = places[0] if places else len(lines)
        lines[at : at + bool(places)] = [line]
    write_part(command, lines)


def _title(line: str) -> str:
    return line.strip("| ").partition(" | ")[0]


def failed(figures: Sequence[Figure]) -> int:
    """How many promises were broken; says which."""
    wrong = [figure for figure in figures if figure.wrong]
    for figure in wrong:
        print(f"broken: {figure.row}: {figure.text}", file=sys.stderr)
    return len(wrong)
