"""`sluicegate share [URL]`: who holds what of the shared limits, from outside the bots."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from sluicegate._core import hide_password, share_overview
from sluicegate._share.environment import STORE, default_url, file_of
from sluicegate._share.members import scopes_of, state_of
from sluicegate._share.show import shown
from sluicegate.errors import StoreError

WATCH = 2.0
"""Seconds between two looks."""

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
"""What empties a terminal."""


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a pause: write a number of seconds, 0.1 or more, such as --watch 2"
        )
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluicegate share",
        description="Shows who holds what of the limits that processes share. Nobody is disturbed.",
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="the address of the store, such as sqlite:////var/lib/bots/budget.db or "
        f"redis://host:6379/0. By default that of {STORE}, or the file that "
        "`sluicegate run --share` uses",
    )
    parser.add_argument(
        "--json", action="store_true", help="write all that the store says, as JSON, in one line"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=WATCH,
        metavar="SECONDS",
        help=f"look again and again, until Ctrl-C. {WATCH:g} s lie between two looks if nothing "
        "else is given",
    )
    return parser


def overview_of(url: str) -> list[dict[str, Any]]:
    """What the store says, and what that means for each member: its ``state``.

    Raises:
        StoreError: The store cannot be read, or is not there.
    """
    path = file_of(url)
    # To open a file that is not there would create it.
    if path is not None and path.name and not path.exists():
        raise StoreError(
            f"there is no file {path}: no process shares its limits there. Start one with "
            "`sluicegate run --share`, or give the address of another store"
        )
    overview: list[dict[str, Any]] = share_overview(url)
    for scope in overview:
        for member in scope["members"]:
            member["state"] = state_of(member)
    return overview


def share(words: Sequence[str]) -> None:
    """Runs the command, until it has shown everything, or is interrupted."""
    options = _parser().parse_args(_url_first(words))
    url = options.url or os.environ.get(STORE) or default_url(os.environ)
    try:
        while True:
            text = _text(url, options.json)
            clear = options.watch is not None and not options.json and sys.stdout.isatty()
            sys.stdout.write(f"{CLEAR}{text}" if clear else text)
            sys.stdout.flush()
            if options.watch is None:
                return
            time.sleep(options.watch)
    except (StoreError, ValueError) as error:
        sys.stderr.write(f"sluicegate share: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # Who read it has seen enough; and nothing is left to be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _url_first(words: Sequence[str]) -> list[str]:
    """The words with an address in front, so that ``--watch`` does not take it for its seconds."""
    return sorted(words, key=lambda word: "://" not in word)


def _text(url: str, as_json: bool) -> str:
    overview = overview_of(url)
    if as_json:
        return json.dumps(overview, allow_nan=False) + "\n"
    return shown(scopes_of(overview), hide_password(url))
