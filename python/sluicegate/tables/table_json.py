"""A table as JSON, with whatever fields its classes have."""

from pathlib import Path
from typing import Any

from sluicegate.tables.reading import plain, read
from sluicegate.tables.table import Table
from sluicegate.tables.values import read_json, shown


def table_to_json(table: Table) -> dict[str, Any]:
    """A dictionary that JSON can hold, and that `table_from_json` reads.

    Raises:
        TypeError: It is no `Table`.
    """
    if not isinstance(table, Table):
        raise TypeError(f"table must be a Table, got {shown(table)}")
    found: dict[str, Any] = plain(table)
    return found


def table_from_json(data: object) -> Table:
    """Read a table from what `json.loads` gave.

    Its names are those of the arguments of `Table`, `Limit`, `Endpoint` and the other classes of
    `sluicegate.tables`; what has a default may be left out.

    Raises:
        ValueError: It is not such a table; the message says where, and what would be right.
    """
    table: Table = read(Table, data, "the table")
    return table


def table_from_file(path: str | Path) -> Table:
    """Read a table from a JSON file, or from a TOML file if its name ends with `.toml`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON or TOML, or not a table; the message begins with the path.
    """
    if Path(path).suffix == ".toml":
        from sluicegate.tables.table_toml import table_from_toml

        return table_from_toml(Path(path).read_bytes(), str(path))
    try:
        return table_from_json(read_json(Path(path).read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
