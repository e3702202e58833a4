"""A table as JSON, with whatever fields the classes of `table.py` and `ban.py` have."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from sluicegate.testing.ban import BanRule
from sluicegate.testing.table import Endpoint, Limit, Table
from sluicegate.testing.values import check_names, read_json, shown


def table_to_json(table: Table) -> dict[str, Any]:
    """A dictionary that JSON can hold, and that `table_from_json` reads."""
    return asdict(table)


def table_from_json(data: object) -> Table:
    """Read a table from what `json.loads` gave.

    Its names are those of the arguments of `Table`, `Limit`, `Endpoint` and `BanRule`; what has a
    default may be left out.

    Raises:
        ValueError: It is not such a table; the message says where, and what would be right.
    """
    given = _arguments(Table, data, "the table")
    given["limits"] = tuple(
        Limit(**_arguments(Limit, entry, f"limits[{i}]"))
        for i, entry in enumerate(_entries(given["limits"], "limits"))
    )
    given["endpoints"] = tuple(
        Endpoint(**_arguments(Endpoint, entry, f"endpoints[{i}]"))
        for i, entry in enumerate(_entries(given["endpoints"], "endpoints"))
    )
    if "default_weights" in given and not isinstance(given["default_weights"], Mapping):
        raise ValueError(
            f"default_weights must be an object, got {shown(given['default_weights'])}"
        )
    if "ban" in given:
        given["ban"] = BanRule(**_arguments(BanRule, given["ban"], "ban"))
    return Table(**given)


def table_from_file(path: str | Path) -> Table:
    """Read a table from a JSON file (see `table_from_json`).

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON, or not a table; the message begins with the path.
    """
    try:
        return table_from_json(read_json(Path(path).read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _arguments(kind: type, data: object, where: str) -> dict[str, Any]:
    """The names of a JSON object, which must be those that `kind` takes."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object, got {shown(data)}")
    known = {field.name: field for field in fields(kind)}
    check_names(where, data, tuple(known))
    for name, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING and name not in data:
            raise ValueError(f"{where} needs {name!r}")
    return dict(data)


def _entries(data: object, where: str) -> list[Any]:
    if not isinstance(data, list | tuple):
        raise ValueError(f"{where} must be a list, got {shown(data)}")
    return list(data)
