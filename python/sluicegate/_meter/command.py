"""`sluicegate top`: its options, the table that is printed once, and the view that lives."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sluicegate._meter.drawing import PLAIN_SIGNS, SHAPES, SIGNS, Line, Part, plain
from sluicegate._meter.pace import Pace
from sluicegate._meter.sockets import Bot, ask_all
from sluicegate._meter.view import lines
from sluicegate._meter.whole import complete
from sluicegate._needs import lacking
from sluicegate._share.command import overview_of
from sluicegate.errors import StoreError

#: Seconds between two frames, and between the two looks of `--once`.
INTERVAL = 0.5


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluicegate top",
        description="Shows what your bots on this machine use of their limits, who waits, and what "
        "their caches do. Ctrl-C ends it. The bots need no setting, and pay nothing while nobody "
        "looks.",
        epilog=f"A bar shows what is in the window ({SIGNS[0]}), in flight ({SIGNS[1]}), used by "
        f"others ({SIGNS[2]}), reserved ({SIGNS[3]}) and free ({SIGNS[4]}). A bot with "
        "SLUICEGATE_METER=0 in its environment is not shown.",
    )
    parser.add_argument("--share", metavar="URL", help="show the whole of a shared budget as well")
    parser.add_argument("--once", action="store_true", help="print a table, and end")
    parser.add_argument("--json", action="store_true", help="print all data as JSON, and end")
    parser.add_argument(
        "--all", action="store_true", help="also show limits and caches that nobody uses"
    )
    return parser


def top(words: Sequence[str]) -> None:
    """Runs the command, until it has shown everything, or is interrupted."""
    options = _parser().parse_args(words)
    if sys.platform == "win32":
        sys.exit("sluicegate top: bots offer no socket on Windows; use sluicegate.metrics there")
    if sys.stdout is None:
        sys.exit("sluicegate top: the standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A limit may have any name, and what a terminal cannot show must not end the view.
        sys.stdout.reconfigure(errors="replace")
    once = options.once or options.json or not _is_screen()
    problem = None if once else lacking("sluicegate top", ["rich"])
    if problem:
        sys.exit(f"{problem}. `sluicegate top --once` needs nothing")
    pace = Pace()
    try:
        if once:
            pace.look(ask_all())
            time.sleep(INTERVAL)
            sys.stdout.write(_once(pace, options))
            sys.stdout.flush()
        else:
            _live(pace, options)
    except (StoreError, ValueError) as error:
        sys.stderr.write(f"sluicegate top: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        return
    except OSError as error:
        # Nothing is left to be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Who closed a pipe has seen enough.
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"sluicegate top: {error.strerror}\n")
            sys.exit(1)


def _is_screen() -> bool:
    """Whether the output can be written over, again and again."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def _look(pace: Pace, url: str | None) -> tuple[list[Bot], list[dict[str, Any]]]:
    bots = ask_all()
    pace.look(bots)
    budgets = overview_of(url) if url else []
    complete(budgets, bots)
    return bots, budgets


def _once(pace: Pace, options: argparse.Namespace) -> str:
    bots, budgets = _look(pace, options.share)
    if options.json:
        rows = [{"pid": bot.pid, "state": bot.state, **bot.data} for bot in bots]
        return json.dumps({"bots": rows, "budgets": budgets}, allow_nan=False) + "\n"
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else SHAPES[0].width
    shown = lines(bots, budgets, everything=options.all, signs=_signs(), width=width)
    return plain(shown)


def _signs() -> str:
    try:
        SIGNS.encode(sys.stdout.encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN_SIGNS
    return SIGNS


def _live(pace: Pace, options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # Before rich takes the place of the standard output.
    signs = _signs()

    def text(all_lines: Iterator[Line], room: int) -> Text:
        # What has no room is not made.
        shown = list(islice(all_lines, room + 1))
        if len(shown) > room:
            shown[room - 1 :] = [[Part("more: `sluicegate top --once` shows all", "dim")]]
        whole = Text(no_wrap=True, overflow="crop")
        for line in shown:
            for part in line:
                whole.append(part.text, part.style)
            whole.append("\n")
        whole.rstrip()
        return whole

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            bots, budgets = _look(pace, options.share)
            all_lines = lines(
                bots,
                budgets,
                everything=options.all,
                signs=signs,
                width=console.width,
            )
            live.update(text(iter(all_lines), console.height), refresh=True)
            time.sleep(max(0.05, INTERVAL - (time.monotonic() - began)))
