"""The tables of limits that come with it, scaled: Binance spot's; and `load_table`."""

from dataclasses import replace
from pathlib import Path

from sluicegate.tables import load, names
from sluicegate.tables.table import Table
from sluicegate.tables.table_json import table_from_file


def binance_spot(minute: float = 60.0) -> Table:
    """Binance spot's published limits, at full length or scaled to seconds.

    Args:
        minute: Seconds that the exchange's minute takes here. With 6, every window and every ban is
            a tenth as long and every limit stays as it is, so that 6,000 units of weight pass in 6
            seconds. The headers keep Binance's names, such as `X-MBX-USED-WEIGHT-1M`.

    Raises:
        ValueError: `minute` is not above 0, or is above 86,400.
    """
    return load("binance-spot").scaled(minute)


def rolling(table: Table) -> Table:
    """The same table, but its windows roll: stricter than windows that begin anew.

    What keeps to the limits of these windows keeps to those of any other window, too, whatever the
    exchange's clock says.
    """
    limits = (
        replace(limit, kind="rolling") if limit.kind in ("fixed", "first") else limit
        for limit in table.limits
    )
    endpoints = (
        replace(each, kind="rolling") if each.kind in ("fixed", "first") else each
        for each in table.endpoints
    )
    return replace(table, limits=tuple(limits), endpoints=tuple(endpoints))


def load_table(name_or_path: str, *, minute: float = 60.0) -> Table:
    """A ready-made table by its name, or a table from a JSON or TOML file.

    Args:
        name_or_path: One of `sluicegate.tables.names()`, or the path to a file that
            `sluicegate.tables.table_from_file` understands.
        minute: Seconds that a minute takes in a ready-made table. A file is taken as it stands.

    Raises:
        OSError: The file cannot be read.
        ValueError: There is no table of this name and no such file, or the file holds no table.
    """
    if name_or_path in names():
        return load(name_or_path).scaled(minute)
    if not name_or_path or not Path(name_or_path).exists():
        raise ValueError(
            f"no table and no file {name_or_path!r}; a table is one of {', '.join(names())}, "
            "or the path to a JSON or TOML file"
        )
    return table_from_file(name_or_path)
