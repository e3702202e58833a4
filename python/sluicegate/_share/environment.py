"""What the environment asks the drop-ins to share: ``SLUICEGATE_SHARE`` and the names beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sluicegate.share import Share

STORE = "SLUICEGATE_SHARE"
"""The variable with the address of the store. Nothing is shared if it is empty or missing."""
ACCOUNT = "SLUICEGATE_ACCOUNT"
ADDRESS = "SLUICEGATE_ADDRESS"

_FILE = "sqlite:///"


def asked(environ: Mapping[str, str] | None = None) -> Share | None:
    """What the environment asks for; ``None`` if nothing is to be shared.

    Args:
        environ: The environment; by default that of this process.

    Raises:
        ValueError: A variable has a wrong value. The message names it and says what would be right.
    """
    environ = os.environ if environ is None else environ
    url = environ.get(STORE, "")
    if not url:
        return None
    try:
        return Share(
            url,
            account=environ.get(ACCOUNT) or "default",
            address=environ.get(ADDRESS) or "default",
        )
    except ValueError as error:
        raise ValueError(f"{STORE}, {ACCOUNT} or {ADDRESS}: {error}") from error


def default_file(environ: Mapping[str, str]) -> Path:
    """The file that is shared where no address is given: in the user's folder for such things."""
    state = environ.get("XDG_STATE_HOME", "")
    # The standard wants a relative path to be ignored.
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "sluicegate" / "budget.db"


def make_private(folder: Path) -> None:
    """Makes the folder for the user alone: who may write into it may use up the limits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def default_url(environ: Mapping[str, str]) -> str:
    """The address of that file."""
    return f"{_FILE}{default_file(environ)}"


def file_of(url: str) -> Path | None:
    """The file of a store; ``None`` for a server."""
    return Path(url.removeprefix(_FILE)) if url.startswith(_FILE) else None


def absolute(url: str) -> str:
    """An address that means the same in every folder: a program may change its own."""
    path = file_of(url)
    return url if path is None or not path.name else f"{_FILE}{path.absolute()}"
