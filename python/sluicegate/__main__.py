"""The `sluicegate` command, also as `python -m sluicegate`. It needs nothing to be installed."""

import difflib
import importlib.util
import sys
from collections.abc import Sequence
from typing import NoReturn

from sluicegate import __version__
from sluicegate._needs import lacking
from sluicegate._run.command import run
from sluicegate._share.command import share
from sluicegate.demo import NEEDS

USAGE = """\
Usage: sluicegate COMMAND [ARG ...]

  An exact rate limiter and rate cache for trading bots.

Commands:
  run     Start a Python program with sluicegate's drop-ins in place.
  top     Show what your bots do now: limits, who waits, pauses, caches.
  share   Show who holds what of the limits that processes share.
  tables  Show what exchanges publish about their limits.
  demo    Let bots hammer a stand-in exchange: without a limiter, then through sluicegate.

Options:
  --version   Show the version.
  -h, --help  Show this text. `sluicegate COMMAND --help` explains one command.
"""

COMMANDS = ("run", "top", "share", "tables", "demo")
HELP = ("-h", "--help")


def main(words: Sequence[str] | None = None) -> None:
    """Run the command of the command line."""
    command, *rest = (sys.argv[1:] if words is None else list(words)) or [""]
    if command == "run":
        run(rest)
    elif command == "top":
        _top(rest)
    elif command == "share":
        share(rest)
    elif command == "tables":
        _tables(rest)
    elif command == "demo":
        _demo(rest)
    elif command in HELP:
        sys.stdout.write(USAGE)
    elif command == "--version":
        sys.stdout.write(f"sluicegate, version {__version__}\n")
    elif not command:
        sys.stderr.write(USAGE)
        sys.exit(2)
    else:
        close = difflib.get_close_matches(command, (*COMMANDS, "--help", "--version"), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        sys.stderr.write(f"sluicegate: there is no command {command!r}{hint}\n\n{USAGE}")
        sys.exit(2)


def _top(words: list[str]) -> None:
    from sluicegate._meter.command import top

    top(words)


def _tables(words: list[str]) -> None:
    # Only who asks for tables waits for them to be imported.
    from sluicegate.tables.command import tables

    tables(words)


def _demo(options: list[str]) -> NoReturn:
    problem = lacking("sluicegate demo", NEEDS)
    wants_help = any(word in HELP for word in options) and importlib.util.find_spec("click")
    if problem and not wants_help:
        sys.exit(problem)
    from sluicegate.demo.command import demo

    demo.main(options, prog_name="sluicegate demo")
    sys.exit(0)


if __name__ == "__main__":
    main()
