"""Which table an exchange object's requests are in."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sluicegate import tables
from sluicegate.ccxt import install, usage
from sluicegate.ccxt.table_of import BY_ID

#: One public request of each, by ccxt's name of it, and its parameters.
ASKED = {
    "binance": ("publicGetPing", {}),
    "binanceusdm": ("fapiPublicGetPing", {}),
    "bybit": ("publicGetV5MarketTickers", {"category": "spot"}),
    "bybiteu": ("publicGetV5MarketTickers", {"category": "spot"}),
    "bybitid": ("publicGetV5MarketTickers", {"category": "spot"}),
    "okx": ("publicGetMarketTicker", {"instId": "BTC-USDT"}),
    "myokx": ("publicGetMarketTicker", {"instId": "BTC-USDT"}),
    "okxus": ("publicGetMarketTicker", {"instId": "BTC-USDT"}),
    "kucoin": ("publicGetMarketAllTickers", {}),
    "kucoinfutures": ("futuresPublicGetContractsActive", {}),
    "kraken": ("publicGetTicker", {"pair": "XBTUSD"}),
    "gate": ("publicSpotGetTickers", {}),
    "bitget": ("publicSpotGetV2SpotMarketTickers", {}),
    "coinbase": ("v3PublicGetBrokerageMarketProducts", {}),
    "coinbaseexchange": ("publicGetProducts", {}),
    "mexc": ("spotPublicGetTicker24hr", {"symbol": "BTCUSDT"}),
    "htx": ("spotPublicGetMarketTickers", {}),
    "hyperliquid": ("publicPostInfo", {"type": "allMids"}),
    "dydx": ("indexerGetPerpetualMarkets", {}),
}


def test_every_table_that_is_named_exists_and_every_one_that_ccxt_has_is_named() -> None:
    named = {name for names in BY_ID.values() for name in names}
    assert named == set(tables.names())


@pytest.mark.parametrize("exchange_id", ASKED)
def test_a_request_of_ccxt_is_in_the_table(exchange_id: str) -> None:
    if not hasattr(ccxt, exchange_id):
        pytest.skip("this ccxt does not have it")
    install()
    exchange = getattr(ccxt, exchange_id)()
    exchange.fetch = lambda *_, **__: {}
    name, params = ASKED[exchange_id]
    if not hasattr(exchange, name):
        pytest.skip("this ccxt does not have it")
    getattr(exchange, name)(dict(params))
    used = {limit_id for limit_id, one in usage(exchange).items() if one.used}
    known = {limit.name for name in BY_ID[exchange_id] for limit in tables.load(name).limits}
    known |= {
        endpoint.id for name in BY_ID[exchange_id] for endpoint in tables.load(name).endpoints
    }
    assert used
    assert used <= known, "nothing is taken of ccxt's own pace"


def test_an_exchange_without_a_table_has_ccxts_pace() -> None:
    install()
    exchange: Any = ccxt.bitstamp()
    exchange.fetch = lambda *_, **__: {}
    exchange.publicGetTickerPair({"pair": "btcusd"})
    assert [name[:9] for name, one in usage(exchange).items() if one.used] == ["rateLimit"]


@pytest.mark.parametrize(("tier", "limit"), [("", 60), ("pro", 180)])
def test_the_limits_of_an_account_are_those_of_its_tier(tier: str, limit: int) -> None:
    install()
    options = {"sluicegate": {"account": "main", "tier": tier}}
    exchange = ccxt.kraken({"apiKey": "k", "secret": "c2VjcmV0", "options": options})
    exchange.fetch = lambda *_, **__: {"error": [], "result": {}}
    exchange.privatePostAddOrder({"pair": "XBTUSD", "type": "buy", "volume": "1"})
    limits = {one.limit for name, one in usage(exchange).items() if name.startswith("TRADING")}
    assert limits == {limit}


def test_a_tier_that_the_exchange_does_not_have_is_an_error_with_those_that_it_has() -> None:
    install()
    exchange = ccxt.kraken({"options": {"sluicegate": {"tier": "vip"}}})
    exchange.fetch = lambda *_, **__: {}
    with pytest.raises(ValueError, match=r"^kraken has no tier 'vip': sluicegate knows 'int.*'pro"):
        exchange.publicGetTime()
