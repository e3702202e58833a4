"""The options of `sluicegate run` about sharing, as variables of the program's environment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from sluicegate._core import hide_password, share_overview
from sluicegate._meter.serving import VARIABLE
from sluicegate._meter.serving import read as read_place
from sluicegate._needs import lacking
from sluicegate._share.environment import (
    ACCOUNT,
    ADDRESS,
    STORE,
    absolute,
    asked,
    default_file,
    default_url,
    make_private,
)
from sluicegate.errors import StoreError
from sluicegate.share import Share

NOT_SHARED = (
    "a restart begins with empty windows, and other bots are not seen; "
    "`sluicegate run --share COMMAND` changes both"
)
"""What a user is told whose limits are not shared."""

_NAMES = {"--account": ACCOUNT, "--address": ADDRESS}
_OPTIONS = ("--share", "--metrics", *_NAMES)


class OptionError(Exception):
    """An option or a variable that cannot be. The message says what would be right."""


def read(words: Sequence[str], environ: Mapping[str, str]) -> tuple[Sequence[str], dict[str, str]]:
    """The command behind the options, and the variables that these set.

    The word after ``--share`` is its address only if it has ``://``. Anything else is the command.

    Raises:
        OptionError: A name is missing, or an option does not exist.
    """
    rest, changes = list(words), {}
    while rest and rest[0].startswith("--"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option == "--share":
            if not equals and rest and "://" in rest[0]:
                value = rest.pop(0)
            elif equals and "://" not in value:
                raise OptionError(
                    f"--share={value} names no store: write --share=sqlite:////var/lib/bots/"
                    "budget.db, --share=redis://host:6379/0, or --share alone"
                )
            changes[STORE] = absolute(value or default_url(environ))
        elif option == "--metrics":
            if not equals and rest:
                value = rest.pop(0)
            changes[VARIABLE] = _place(value)
        elif option in _NAMES:
            if not equals and rest and not rest[0].startswith("-"):
                value = rest.pop(0)
            if not value:
                raise OptionError(f"{option} needs a name: {option} main")
            changes[_NAMES[option]] = value
        else:
            close = difflib.get_close_matches(option, _OPTIONS, n=1, cutoff=0.75)
            if close:
                raise OptionError(f"there is no option {option}; did you mean {close[0]}?")
            # One of Python's own.
            return [option + equals + value, *rest], changes
    return rest, changes


def _place(text: str) -> str:
    """Where metrics are served: what ``--metrics`` says, if that can be."""
    try:
        read_place(text)
    except ValueError as error:
        raise OptionError(f"--metrics: {error}") from error
    if problem := lacking("sluicegate run --metrics", ["prometheus_client"]):
        raise OptionError(problem)
    return text


def check(environ: Mapping[str, str]) -> Share | None:
    """What is shared, and that its store can be used; ``None`` if nothing is.

    Raises:
        OptionError: It cannot be.
    """
    try:
        share = asked(environ)
        if share is None:
            unused = [name for name in _NAMES.values() if environ.get(name)]
            if unused:
                raise OptionError(
                    f"{' and '.join(unused)} without a store has no meaning: add --share, or set "
                    f"{STORE}"
                )
            return None
        if share.url == default_url(environ):
            make_private(default_file(environ).parent)
        share_overview(share.url)
    except (ValueError, StoreError, OSError) as error:
        raise OptionError(str(error)) from error
    return share


def shared(share: Share) -> str:
    """What a user is told whose limits are shared, in one line."""
    return (
        f"the limits are shared and kept in {hide_password(share.url)} "
        f"(account {share.account}, address {share.address}); see `sluicegate share`"
    )
