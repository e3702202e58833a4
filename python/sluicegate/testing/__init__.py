"""A stand-in exchange to test bots against: it enforces its limits for real.

Needs aiohttp: `pip install "sluicegate[demo]"`.
"""

try:
    import aiohttp as _aiohttp  # noqa: F401
except ImportError as _error:
    raise ImportError(
        'sluicegate.testing needs aiohttp: pip install "sluicegate[demo]"'
    ) from _error

from sluicegate.testing.ban import BanRule
from sluicegate.testing.exchange import StandInExchange
from sluicegate.testing.ledger import Ledger, Verdict
from sluicegate.testing.stats import LimitStatistics, Statistics
from sluicegate.testing.table import Endpoint, Limit, Table
from sluicegate.testing.table_json import table_from_file, table_from_json, table_to_json
from sluicegate.testing.tables import binance_spot, load_table
from sluicegate.testing.window import RollingWindow

__all__ = [
    "BanRule",
    "Endpoint",
    "Ledger",
    "Limit",
    "LimitStatistics",
    "RollingWindow",
    "StandInExchange",
    "Statistics",
    "Table",
    "Verdict",
    "binance_spot",
    "load_table",
    "table_from_file",
    "table_from_json",
    "table_to_json",
]
