"""`Symbol`: one symbol that the exchange trades, as Binance's `exchangeInfo` describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluicegate.tables.values import is_number, shown

TRADING = "TRADING"
BREAK = "BREAK"
STATUSES = (TRADING, "END_OF_DAY", "HALT", BREAK)
"""What Binance's documentation lists as the status of a symbol; only `TRADING` trades."""

ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
LARGEST_PRICE = 1_000_000
LARGEST_QUANTITY = 9_000_000


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol, with the rules for its orders.

    Args:
        base: What is traded, such as `BTC`.
        quote: What it is paid with.
        status: One of `STATUSES`. One that is not `TRADING` is listed, and requests for it are
            refused.
        tick_size: Step of prices; also the least price.
        step_size: Step of quantities; also the least quantity.
        min_notional: Least value of an order, in units of `quote`.
        info: Entries for `exchangeInfo` that are added to those that the others give, or take their
            place: `{"filters": []}` for one without rules.

    Raises:
        ValueError: A name is empty or holds a `/`, the status is none, or a number is not above 0.
    """

    base: str
    quote: str = "USDT"
    status: str = TRADING
    tick_size: float = 0.00001
    step_size: float = 0.00001
    min_notional: float = 5.0
    info: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for what in ("base", "quote"):
            asset = getattr(self, what)
            if not isinstance(asset, str) or not asset or "/" in asset:
                raise ValueError(f"{what} must be an asset such as 'BTC', got {asset!r}")
        if self.status not in STATUSES:
            raise ValueError(
                f"status of {self.name} must be one of {', '.join(STATUSES)}, got {self.status!r}"
            )
        for what in ("tick_size", "step_size", "min_notional"):
            number = getattr(self, what)
            if not is_number(number):
                raise ValueError(f"{what} of {self.name} must be a number, got {shown(number)}")
            # Binance writes eight decimals: less would read as 0.
            if not 1e-8 <= number <= 1e15:
                raise ValueError(
                    f"{what} of {self.name} must be at least 1e-08 (and at most 1e+15), "
                    f"got {shown(number)}"
                )

    @classmethod
    def parse(cls, pair: str) -> "Symbol":
        """The symbol of a pair such as `BTC/USDT`, with the rules that are the default.

        Raises:
            ValueError: It is no such pair.
        """
        base, slash, quote = pair.partition("/")
        if not slash:
            raise ValueError(
                f"a symbol must be written BASE/QUOTE such as 'BTC/USDT', got {pair!r}"
            )
        return cls(base, quote)

    @property
    def name(self) -> str:
        """What Binance calls it: base and quote in one word, such as `BTCUSDT`."""
        return f"{self.base}{self.quote}"

    def to_json(self) -> dict[str, Any]:
        """Its entry in `exchangeInfo`."""
        return {
            "symbol": self.name,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": True,
            "ocoAllowed": True,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": True,
            "cancelReplaceAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(),
            "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
            **self.info,
        }

    def _filters(self) -> list[dict[str, Any]]:
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": decimal(self.tick_size),
                "maxPrice": decimal(LARGEST_PRICE),
                "tickSize": decimal(self.tick_size),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": decimal(self.step_size),
                "maxQty": decimal(LARGEST_QUANTITY),
                "stepSize": decimal(self.step_size),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": decimal(0),
                "maxQty": decimal(LARGEST_QUANTITY),
                "stepSize": decimal(0),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": decimal(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": decimal(LARGEST_QUANTITY),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ]


def decimal(number: float) -> str:
    """A price or a quantity as Binance writes it: with eight decimals."""
    return f"{number:.8f}"
