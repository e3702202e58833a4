"""What bots are tested with: a stand-in exchange that enforces its limits for real, and a clock.

`StandInExchange` needs aiohttp: `pip install aiohttp`. All else needs nothing.
"""

from typing import TYPE_CHECKING, Any

from sluicegate._core import ManualClock
from sluicegate._needs import lacking
from sluicegate.tables.ban import BanRule
from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.limit import Limit
from sluicegate.tables.table import Table
from sluicegate.tables.table_json import table_from_file, table_from_json, table_to_json
from sluicegate.testing.aligned_window import AlignedWindow
from sluicegate.testing.bucket import Bucket
from sluicegate.testing.calls import Call
from sluicegate.testing.coingecko import CoinGecko
from sluicegate.testing.concurrency import Concurrency
from sluicegate.testing.counter import Counter
from sluicegate.testing.first_window import FirstWindow
from sluicegate.testing.habits import Habits
from sluicegate.testing.ledger import Ledger, Verdict
from sluicegate.testing.market import Market
from sluicegate.testing.others import Others
from sluicegate.testing.price import Price
from sluicegate.testing.refusal import RefusedError
from sluicegate.testing.stats import LimitStatistics, Statistics
from sluicegate.testing.symbol import Symbol
from sluicegate.testing.tables import binance_spot, load_table, rolling
from sluicegate.testing.window import RollingWindow

if TYPE_CHECKING:
    from sluicegate.testing.exchange import StandInExchange

__all__ = [
    "AlignedWindow",
    "BanRule",
    "Bucket",
    "Call",
    "CoinGecko",
    "Concurrency",
    "Counter",
    "Endpoint",
    "FirstWindow",
    "Habits",
    "Ledger",
    "Limit",
    "LimitStatistics",
    "ManualClock",
    "Market",
    "Others",
    "Price",
    "RefusedError",
    "RollingWindow",
    "StandInExchange",
    "Statistics",
    "Symbol",
    "Table",
    "Verdict",
    "binance_spot",
    "load_table",
    "rolling",
    "table_from_file",
    "table_from_json",
    "table_to_json",
]


def __getattr__(name: str) -> Any:
    """The server, when it is asked for: all else here works without aiohttp."""
    if name != "StandInExchange":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if problem := lacking("sluicegate.testing.StandInExchange", ("aiohttp",)):
        raise ImportError(problem)
    from sluicegate.testing.exchange import StandInExchange

    return StandInExchange
