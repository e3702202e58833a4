"""KuCoin: pools of weights, two hosts with the same paths, and VIP levels."""

import pytest

from sluicegate import tables

TABLE = tables.load("kucoin")
SPOT = "https://api.kucoin.com"
FUTURES = "https://api-futures.kucoin.com"


def takes(method: str, url: str) -> dict[str, int]:
    return {name: units for name, (_, units) in TABLE.route(method, url).takes.items()}


@pytest.mark.parametrize(
    ("method", "url", "weights"),
    [
        ("GET", f"{SPOT}/api/v1/market/allTickers", {"PUBLIC": 15}),
        ("GET", f"{SPOT}/api/v1/market/orderbook/level2_100?symbol=BTC-USDT", {"PUBLIC": 2}),
        ("GET", f"{SPOT}/api/v3/market/orderbook/level2?symbol=BTC-USDT", {"SPOT": 3}),
        ("POST", f"{SPOT}/api/v1/hf/orders", {"SPOT": 1}),
        ("DELETE", f"{SPOT}/api/v1/hf/orders/6500e4b1", {"SPOT": 1}),
        ("DELETE", f"{SPOT}/api/v1/hf/orders/cancelAll", {"SPOT": 30}),
        ("GET", f"{SPOT}/api/v1/accounts", {"MANAGEMENT": 5}),
        ("GET", f"{SPOT}/api/v1/my-ip", {}),
        ("GET", f"{FUTURES}/api/v1/contracts/active", {"FUTURES_PUBLIC": 3}),
        ("GET", f"{FUTURES}/api/v1/level2/depth20?symbol=XBTUSDTM", {"FUTURES_PUBLIC": 5}),
        ("GET", f"{FUTURES}/api/v1/positions", {"FUTURES": 2}),
        ("POST", f"{FUTURES}/api/v1/orders/multi", {"FUTURES": 20}),
    ],
)
def test_endpoints_take_their_weights_from_their_pools(
    method: str, url: str, weights: dict[str, int]
) -> None:
    assert takes(method, url) == weights


@pytest.mark.parametrize(
    ("method", "path", "spot", "futures"),
    [
        ("GET", "/api/v1/timestamp", {"PUBLIC": 3}, {"FUTURES_PUBLIC": 2}),
        ("GET", "/api/v1/status", {"PUBLIC": 3}, {"FUTURES_PUBLIC": 4}),
        ("POST", "/api/v1/orders", {"SPOT": 2}, {"FUTURES": 2}),
        ("GET", "/api/v1/orders/1", {"SPOT": 2}, {"FUTURES": 5}),
        ("DELETE", "/api/v1/orders/1", {"SPOT": 3}, {"FUTURES": 1}),
        ("GET", "/api/v1/fills", {"SPOT": 10}, {"FUTURES": 5}),
    ],
)
def test_the_host_tells_spot_from_futures(
    method: str, path: str, spot: dict[str, int], futures: dict[str, int]
) -> None:
    assert takes(method, SPOT + path) == spot
    assert takes(method, FUTURES + path) == futures


def test_pools_are_windows_of_30_seconds_that_the_first_request_opens() -> None:
    assert {
        (limit.kind, limit.interval) for limit in TABLE.limits if not limit.name.startswith("WS_")
    } == {("first", 30)}
    scopes = {limit.name: limit.scope for limit in TABLE.limits}
    assert [
        name for name, scope in scopes.items() if scope == "address" and name != "WS_CONNECTIONS"
    ] == [
        "PUBLIC",
        "FUTURES_PUBLIC",
    ]


@pytest.mark.parametrize(
    ("tier", "spot", "futures"),
    [("vip1", 6000, 2000), ("vip5", 16_000, 7000), ("vip12", 40_000, 20_000)],
)
def test_levels_widen_the_private_pools_only(tier: str, spot: int, futures: int) -> None:
    sizes = {limit.name: limit.limit for limit in TABLE.at(tier).limits}
    assert sizes["SPOT"] == spot
    assert sizes["FUTURES"] == sizes["MANAGEMENT"] == futures
    assert sizes["EARN"] == sizes["PUBLIC"] == sizes["FUTURES_PUBLIC"] == 2000
