"""The tables of limits that come with it: Binance spot; and `load_table`."""

from pathlib import Path

from sluicegate.testing.ban import BanRule
from sluicegate.testing.table import Endpoint, Limit, Table
from sluicegate.testing.table_json import table_from_file
from sluicegate.testing.values import is_number, shown

NAMES = ("binance-spot",)
"""Names that `load_table` knows."""


def binance_spot(minute: float = 60.0) -> Table:
    """Binance spot's published limits, at full length or scaled to seconds.

    Limits as `rateLimits` of `GET /api/v3/exchangeInfo` lists them: `REQUEST_WEIGHT` 6,000 a
    minute, `ORDERS` 100 in 10 seconds and (named `ORDERS_1D` here) 200,000 a day, `RAW_REQUESTS`
    61,000 in 5 minutes.
    Weights as Binance's REST documentation has them. Two things are stricter here than there: the
    windows roll, so that no trick with the edge of a minute helps; and `ticker/24hr` with a list of
    `symbols` costs as much as all symbols.

    Args:
        minute: Seconds that the exchange's minute takes here. With 6, every window and every ban is
            a tenth as long and every limit stays as it is, so that 6,000 units of weight pass in 6
            seconds. The headers keep Binance's names, such as `X-MBX-USED-WEIGHT-1M`.

    Raises:
        ValueError: `minute` is not above 0, or is above 86,400.
    """
    if not is_number(minute) or not 1e-6 <= minute <= 86_400:
        raise ValueError(
            f"minute must be seconds above 0 (and at most 86,400, a day), got {shown(minute)}"
        )
    scale = minute / 60.0
    return Table(
        limits=(
            Limit("REQUEST_WEIGHT", 6_000, 60 * scale, "X-MBX-USED-WEIGHT-1M"),
            Limit("ORDERS", 100, 10 * scale, "X-MBX-ORDER-COUNT-10S"),
            Limit("ORDERS_1D", 200_000, 86_400 * scale, "X-MBX-ORDER-COUNT-1D"),
            Limit("RAW_REQUESTS", 61_000, 300 * scale, ""),
        ),
        endpoints=(
            _get("ping", 1),
            _get("time", 1),
            _get("exchangeInfo", 20),
            _get("depth", 5, up_to=100),
            _get("depth", 25, up_to=500),
            _get("depth", 50, up_to=1_000),
            # Whatever is above, too: Binance answers it as 5,000.
            _get("depth", 250, up_to=5_000, rest=True),
            _get("klines", 2),
            _get("ticker/24hr", 2, has="symbol"),
            _get("ticker/24hr", 80),
            _get("ticker/price", 2, has="symbol"),
            _get("ticker/price", 4),
            _get("ticker/bookTicker", 2, has="symbol"),
            _get("ticker/bookTicker", 4),
            Endpoint("POST", "/api/v3/order", _weights(1) | {"ORDERS": 1, "ORDERS_1D": 1}),
            Endpoint("DELETE", "/api/v3/order", _weights(1)),
        ),
        default_weights=_weights(1),
        ban=BanRule().scaled(scale),
        name="binance-spot",
    )


def load_table(name_or_path: str, *, minute: float = 60.0) -> Table:
    """A ready-made table by its name, or a table from a JSON file.

    Args:
        name_or_path: `binance-spot`, or the path to a file that `table_from_json` understands.
        minute: Seconds that a minute takes in a ready-made table. A file is taken as it stands.

    Raises:
        OSError: The file cannot be read.
        ValueError: There is no table of this name and no such file, or the file holds no table.
    """
    if name_or_path == "binance-spot":
        return binance_spot(minute)
    if not Path(name_or_path).exists():
        raise ValueError(
            f"no table and no file {name_or_path!r}; a table is one of {', '.join(NAMES)}, "
            "or the path to a JSON file"
        )
    return table_from_file(name_or_path)


def _weights(units: int) -> dict[str, int]:
    return {"REQUEST_WEIGHT": units, "RAW_REQUESTS": 1}


def _get(name: str, units: int, *, has: str = "", up_to: int = 0, rest: bool = False) -> Endpoint:
    """An entry for one endpoint; each variant of a path is an id of its own for the client."""
    path = f"/api/v3/{name}"
    variant = f"?{has}" if has else f"?limit<={up_to}" if up_to else ""
    return Endpoint(
        "GET",
        path,
        _weights(units),
        id=f"GET {path}{variant}",
        has=(has,) if has else (),
        up_to={"limit": up_to} if up_to and not rest else {},
    )
