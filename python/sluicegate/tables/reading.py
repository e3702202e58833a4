"""Tables from plain data, as JSON and TOML have it, and back: names are those of the classes."""

import datetime
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from sluicegate.tables.ban import BanRule
from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.header import Header
from sluicegate.tables.limit import Limit, Tier
from sluicegate.tables.refusal import Refusal, Wait
from sluicegate.tables.returned import Returned
from sluicegate.tables.source import Source
from sluicegate.tables.table import ENTRIES, Table
from sluicegate.tables.values import check_names, shown

LISTS: dict[type, Mapping[str, type]] = {
    Table: ENTRIES,
    Limit: {"headers": Header},
    Refusal: {"wait": Wait},
}
"""What the items of a field are."""

BY_NAME: dict[type, dict[str, type]] = {
    Table: {"sources": Source},
    Limit: {"tiers": Tier},
    Endpoint: {"tiers": Tier, "returned": Returned},
}
"""What the values of a field are, by their names."""

SINGLE: dict[type, dict[str, type]] = {Table: {"ban": BanRule}}
"""What a field is."""


def read(kind: type, data: object, where: str) -> Any:
    """One object of a class, from the names that its constructor takes.

    Args:
        kind: The class.
        data: A mapping with the names; what has a default may be left out.
        where: What messages call it: `endpoints[3]`.

    Raises:
        ValueError: It is not such an object; the message says where, and what would be right.
    """
    given = _arguments(kind, data, where)
    # What lies in the table itself is called by its own name alone.
    inside = "" if kind is Table else f"{where}."
    for name, item in LISTS.get(kind, {}).items():
        if name in given:
            entries = _entries(given[name], f"{inside}{name}")
            given[name] = tuple(
                read(item, entry, f"{inside}{name}[{i}]") for i, entry in enumerate(entries)
            )
    for name, item in BY_NAME.get(kind, {}).items():
        if name in given:
            values = _object(given[name], f"{inside}{name}")
            given[name] = {
                key: read(item, _in_full(item, value), f"{inside}{name}.{key}")
                for key, value in values.items()
            }
    for name, item in SINGLE.get(kind, {}).items():
        if name in given:
            given[name] = read(item, given[name], f"{inside}{name}")
    try:
        return kind(**given)
    except ValueError as error:
        raise ValueError(str(error) if kind is Table else f"{where}: {error}") from None


def plain(value: Any) -> Any:
    """The same with dictionaries and lists only, which JSON can hold and `read` reads."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _in_full(kind: type, value: object) -> object:
    """`vip1 = 120`, a tier as most are written, as the object that it stands for."""
    return {"limit": value} if kind is Tier and isinstance(value, int) else value


def _arguments(kind: type, data: object, where: str) -> dict[str, Any]:
    """The names of an object, which must be those that `kind` takes."""
    given = _object(data, where)
    known = {field.name: field for field in fields(kind)}
    check_names(where, given, tuple(known))
    for name, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING and name not in given:
            raise ValueError(f"{where} needs {name!r}")
    # TOML has days.
    return {
        name: value.isoformat() if isinstance(value, datetime.date) else value
        for name, value in given.items()
    }


def _object(data: object, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object, got {shown(data)}")
    return data


def _entries(data: object, where: str) -> list[Any]:
    if not isinstance(data, list | tuple):
        raise ValueError(f"{where} must be a list, got {shown(data)}")
    return list(data)
