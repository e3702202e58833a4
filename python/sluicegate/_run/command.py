"""`sluicegate run COMMAND [ARG …]`: starts a program in place of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from sluicegate._run.drop_ins import DROP_INS, DropIn, say
from sluicegate._run.sharing import NOT_SHARED, OptionError, check, read, shared

USAGE = """\
Usage: sluicegate run [--share [URL]] [--account NAME] [--address NAME]
                      [--metrics [ADDRESS:]PORT] COMMAND [ARG ...]

  Starts a Python program with sluicegate's drop-ins in place. The drop-ins work
  in this program and in the programs that it starts. Nothing else is changed.

  COMMAND is a script, a module or any command:

    sluicegate run bin/hummingbot.py
    sluicegate run freqtrade trade --config user_data/config.json
    sluicegate run -m pytest

Options:
  --share [URL]   Share the limits with other processes, and keep them over a
                  restart. URL is the address of a store, and has "://":
                  sqlite:////var/lib/bots/budget.db or redis://host:6379/0.
                  Without URL: a file in your state folder.
  --account NAME  The account at the exchange: the same name in all of its bots.
  --address NAME  The IP address: the same name in all bots behind it.

  --metrics PORT  Serve metrics for Prometheus at http://127.0.0.1:PORT/metrics,
                  from the program's own process. ADDRESS:PORT: for others, too.

  The environment can say the same: SLUICEGATE_SHARE=URL, SLUICEGATE_ACCOUNT=NAME,
  SLUICEGATE_ADDRESS=NAME, SLUICEGATE_METRICS=PORT. An option comes before its
  variable. A password is safer in the environment, because everybody on a machine
  sees command lines.
"""

SITE = Path(__file__).parent / "site"

NOT_FOUND = 127
"""What a shell exits with for a command that is not there; and for one that cannot be run:"""
NOT_RUNNABLE = 126


def command_line(command: Sequence[str]) -> list[str]:
    """The command to execute, its program with a full path.

    Raises:
        FileNotFoundError: There is no such program.
    """
    first, *arguments = command
    if first.startswith("-"):
        return [sys.executable, *command]
    if first.endswith((".py", ".pyc")):
        if not Path(first).is_file():
            raise FileNotFoundError(f"no such script: {first}")
        return [sys.executable, *command]
    # What is installed beside this Python comes first: there sluicegate can be imported.
    beside = str(Path(sys.executable).parent)
    found = shutil.which(first, path=beside) or shutil.which(first)
    if found is None and first == "hummingbot":
        raise FileNotFoundError(
            "Hummingbot has no command of this name: go to Hummingbot's folder and write "
            "sluicegate run bin/hummingbot.py"
        )
    if found is None:
        raise FileNotFoundError(f"command not found: {first}")
    return [found, *arguments]


def environment(old: dict[str, str]) -> dict[str, str]:
    """The environment of a program, with our sitecustomize in front."""
    before = [entry for entry in old.get("PYTHONPATH", "").split(os.pathsep) if entry]
    rest = [entry for entry in before if entry != str(SITE)]
    return {**old, "PYTHONPATH": os.pathsep.join([str(SITE), *rest])}


def summary(drop_ins: Sequence[DropIn], folders: Sequence[str]) -> str:
    """What is put in place, in one line.

    Args:
        drop_ins: Those there are.
        folders: Where the program will import from, beside where we do.
    """
    path = list(sys.path)
    sys.path[:0] = folders
    try:
        there = [drop_in for drop_in in drop_ins if drop_in.is_there()]
        programs = [
            f"{drop_in.program} {drop_in.version() or ''}".rstrip() + f" ({drop_in.what})"
            for drop_in in there
        ]
    finally:
        sys.path[:] = path
    if programs:
        return f"sluicegate is in place for {', '.join(programs)}"
    return nothing_found(drop_ins)


def nothing_found(drop_ins: Sequence[DropIn]) -> str:
    """What is said where no program is there."""
    known = ", ".join(drop_in.program for drop_in in drop_ins)
    return (
        f"no program that sluicegate knows was found ({known}); "
        "it looks again when the program imports one"
    )


def folders_of(command: Sequence[str]) -> list[str]:
    """Where a program imports from first: the working folder, and the folders of its scripts."""
    scripts = [Path(word) for word in command if word.endswith(".py")]
    folders = [Path.cwd(), *(script.resolve().parent for script in scripts if script.is_file())]
    return [str(folder) for folder in folders]


def run(command: Sequence[str]) -> NoReturn:
    """Becomes the program that ``command`` names."""
    environ = dict(os.environ)
    try:
        command, changes = read(command, environ)
    except OptionError as error:
        say(str(error))
        sys.exit(2)
    environ.update(changes)
    if not command or command[0] in {"-h", "--help"}:
        print(USAGE, end="", file=sys.stdout if command else sys.stderr)
        sys.exit(0 if command else 2)
    try:
        words = command_line(command)
    except FileNotFoundError as error:
        say(str(error))
        sys.exit(NOT_FOUND)
    try:
        share = check(environ)
    except OptionError as error:
        say(str(error))
        sys.exit(1)
    in_place = summary(DROP_INS, folders_of(command))
    say(in_place)
    if share is not None:
        say(shared(share))
    elif in_place != nothing_found(DROP_INS):
        say(NOT_SHARED)
    sys.stdout.flush()
    try:
        become(words, environment(environ))
    except OSError as error:
        say(f"{words[0]} cannot be run: {error.strerror}")
        sys.exit(NOT_RUNNABLE)


def become(words: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Becomes another program; on Windows starts it, waits for it, and ends as it did.

    Raises:
        OSError: It cannot be run.
    """
    if sys.platform == "win32":
        sys.exit(subprocess.run(words, env=environ, check=False).returncode)  # noqa: S603
    os.execve(words[0], list(words), environ)  # noqa: S606
