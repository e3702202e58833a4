"""What exchanges publish about their limits, as data with sources, and what their answers say.

>>> from sluicegate import tables
>>> table = tables.load("binance-spot")
>>> table.find("GET", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": 5000})
'GET /api/v3/depth?limit<=5000'
"""

import difflib

from sluicegate.tables.ban import BanRule
from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.generic import generic
from sluicegate.tables.header import Header
from sluicegate.tables.heard import Heard
from sluicegate.tables.limit import Limit, Tier
from sluicegate.tables.refusal import Refusal, Wait
from sluicegate.tables.returned import Returned
from sluicegate.tables.route import OTHER, Route
from sluicegate.tables.server_clock import ServerClock
from sluicegate.tables.source import Difference, Source
from sluicegate.tables.table import Table
from sluicegate.tables.table_json import table_from_file, table_from_json, table_to_json
from sluicegate.tables.table_toml import load_file, names, table_from_toml
from sluicegate.tables.values import shown

__all__ = [
    "OTHER",
    "BanRule",
    "Difference",
    "Endpoint",
    "Header",
    "Heard",
    "Limit",
    "Refusal",
    "Returned",
    "Route",
    "ServerClock",
    "Source",
    "Table",
    "Tier",
    "Wait",
    "generic",
    "load",
    "names",
    "table_from_file",
    "table_from_json",
    "table_from_toml",
    "table_to_json",
]


def load(name: str, *, tier: str | None = None) -> Table:
    """The table of an exchange that comes with the package.

    It is read when it is first asked for, and kept.

    Args:
        name: One of `names()`. Case does not matter, nor whether `-` or `_` is written.
        tier: The tier of the account, one of the table's `tiers`, such as `"pro"`. By default the
            lowest.

    Raises:
        ValueError: There is no table of this name, or it has no such tier. The message names those
            that there are.
    """
    plain = name.lower().replace("_", "-") if isinstance(name, str) else ""
    if plain not in names():
        close = difflib.get_close_matches(plain, names(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no table {shown(name)}: there are {', '.join(names())}{hint}")
    table = load_file(plain)
    return table if tier is None else table.at(tier)
