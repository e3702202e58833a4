"""`CoinGecko`: a stand-in for it beside the exchange: the list of coins, and their prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluicegate.tables.endpoint import Endpoint

if TYPE_CHECKING:
    from aiohttp import web

    from sluicegate.testing.exchange import StandInExchange

PREFIX = "/coingecko"
COINS = {
    "bitcoin": "btc",
    "ethereum": "eth",
    "binancecoin": "bnb",
    "solana": "sol",
    "ripple": "xrp",
    "tether": "usdt",
    "usd-coin": "usdc",
}
PRICES = {
    "bitcoin": 60_000.0,
    "ethereum": 3_000.0,
    "binancecoin": 600.0,
    "solana": 150.0,
    "ripple": 0.5,
    "tether": 1.0,
    "usd-coin": 1.0,
}


@dataclass(frozen=True)
class CoinGecko:
    """Answers `coins/list` and `simple/price` as CoinGecko's API v3 does.

    It is served by an exchange, whose latency, failing, counts and log take it in, and whose bans
    do so, too; against the exchange's limits it costs nothing. A client such as pycoingecko is led
    here by its base address: `f"{exchange.url}/coingecko/api/v3/"`.

    Args:
        coins: The symbol of each coin, by CoinGecko's id: `{"bitcoin": "btc"}`.
        prices: Price in US dollars by id; may be changed while it serves.
        rates: What a US dollar is worth in each currency that prices may be asked in.
    """

    coins: Mapping[str, str] = field(default_factory=lambda: dict(COINS))
    prices: dict[str, float] = field(default_factory=lambda: dict(PRICES))
    rates: dict[str, float] = field(default_factory=lambda: {"usd": 1.0, "eur": 0.9})

    def serve(self, exchange: "StandInExchange", prefix: str = PREFIX) -> None:
        """Serve it at the address of an exchange, under a prefix of the path."""
        for path, handler in (
            ("coins/list", self.coins_list),
            ("simple/price", self.simple_price),
        ):
            exchange.add_endpoint(Endpoint("GET", f"{prefix}/api/v3/{path}", {}), handler)

    def coins_list(self, _: "web.Request") -> list[dict[str, str]]:
        """Id, symbol and name of every coin."""
        return [
            {"id": id_, "symbol": symbol, "name": id_.replace("-", " ").title()}
            for id_, symbol in self.coins.items()
        ]

    def simple_price(self, request: "web.Request") -> dict[str, Any]:
        """Prices of the `ids` in the `vs_currencies`; what is not known is left out, as there."""
        currencies = request.query.get("vs_currencies", "").lower().split(",")
        return {
            id_: {c: self.prices[id_] * self.rates[c] for c in currencies if c in self.rates}
            for id_ in request.query.get("ids", "").split(",")
            if id_ in self.prices
        }
