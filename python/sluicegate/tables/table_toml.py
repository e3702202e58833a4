"""A table from a TOML file, in which each fact has a source; and the files that come with it."""

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sluicegate.tables.reading import read
from sluicegate.tables.table import Table
from sluicegate.tables.values import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "exchanges"
"""Where the files are that come with the package."""


def table_from_toml(text: str | bytes, where: str) -> Table:
    """Read a table from TOML.

    The names are those of the arguments of `Table`, `Limit`, `Endpoint` and the other classes of
    `sluicegate.tables`. Other than in JSON, each limit, endpoint, refusal and clock needs a
    `source`, and so does each header of the table itself. A limit has the headers that are written,
    and no other.

    Args:
        text: The text of the file.
        where: What messages call it.

    Raises:
        ValueError: It is not TOML, or not a table; the message says where, and what would be right.
        TypeError: `text` is neither a text nor bytes.
    """
    if not isinstance(text, str | bytes):
        raise TypeError(f"the TOML must be a text or bytes, got {shown(text)}")
    try:
        if isinstance(text, bytes):
            text = text.decode()
        data: dict[str, Any] = tomllib.loads(text)
        if "name" not in data:
            raise ValueError(f"the table needs 'name', such as {Path(where).stem!r}")
        _check_sources(data)
        for limit in data.get("limits", ()):
            # As Binance names it, which is the default, holds for no other exchange.
            if "headers" not in limit:
                limit.setdefault("header", "")
        table: Table = read(Table, {"limits": [], "endpoints": []} | data, "the table")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {error}") from None
    return table


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The exchanges whose tables come with the package, as `load` knows them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def file_of(name: str) -> Path:
    """The file of an exchange."""
    return FOLDER / f"{name}.toml"


@lru_cache(maxsize=64)
def load_file(name: str) -> Table:
    """The table of an exchange that comes with the package; read once."""
    path = file_of(name)
    table = table_from_toml(path.read_bytes(), path.name)
    if table.name != name:
        raise ValueError(f"{path.name}: name must be {name!r} as the file's, got {table.name!r}")
    return table


def _check_sources(data: Mapping[str, Any]) -> None:
    """Refuse a fact that has no source."""
    for what in ("limits", "endpoints", "refusals", "headers", "clock"):
        entries = data.get(what, [])
        if not isinstance(entries, list):
            raise ValueError(f"{what} must be a list, got {shown(entries)}")
        for i, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise ValueError(f"{what}[{i}] must be an object, got {shown(entry)}")
            if not entry.get("source"):
                names = (entry.get(key) for key in ("name", "path", "header", "means"))
                called = next(filter(None, names), "")
                raise ValueError(
                    f"{what}[{i}] ({called}) needs 'source', a key of [sources] for the page that "
                    "says so"
                )
