"""Where a connector's own table is laxer than what the exchange publishes, the stricter holds."""

from __future__ import annotations

import copy
import logging
from decimal import Decimal

import pytest

from sluicegate import tables
from sluicegate.hummingbot import AsyncThrottler, RateLimit, listening, published, throttler
from sluicegate.tables import Limit, Tier

FEES = "/v5/account/fee-rate"


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Throttlers that are made in a test are those of this connector."""
    name: str = getattr(request, "param", "binance")
    monkeypatch.setattr(throttler, "connector_of", lambda _: name)
    monkeypatch.setattr(published, "_said", set())
    return name


def bybit_fees() -> tuple[str, Limit]:
    route = tables.load("bybit").route("GET", FEES)
    assert route.endpoint is not None
    return route.endpoint.id, route.takes[route.own][0]


@pytest.mark.usefixtures("connector")
def test_a_pool_that_is_laxer_is_held_to_what_is_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = [RateLimit("ORDERS", 200, 10), RateLimit("REQUEST_WEIGHT", 5000, 60)]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            made = AsyncThrottler(copy.deepcopy(table))
    assert (made.usage("ORDERS").limit, made.usage("REQUEST_WEIGHT").limit) == (100, 5000)
    assert [limit.limit for limit in made._rate_limits] == [200, 5000]
    assert made._id_to_limit_map["ORDERS"].limit == 200
    assert [line.message for line in caplog.records] == [
        "binance: ORDERS is 200 in 10 s in the connector's own table; the exchange publishes 100 "
        "(table binance-spot), which holds. This is said once."
    ]


@pytest.mark.usefixtures("connector")
def test_a_share_is_one_of_what_is_published() -> None:
    made = AsyncThrottler([RateLimit("ORDERS", 150, 10)], limits_share_percentage=Decimal(50))
    assert made.usage("ORDERS").limit == 50
    made = AsyncThrottler([RateLimit("ORDERS", 150, 10)], limits_share_percentage=Decimal(80))
    assert made.usage("ORDERS").limit == 80
    made.set_rate_limits(copy.deepcopy(made._rate_limits))
    assert made.usage("ORDERS").limit == 80


@pytest.mark.usefixtures("connector")
def test_another_interval_or_name_is_another_limit() -> None:
    table = [RateLimit("ORDERS", 2000, 60), RateLimit("/x", 9_000_000, 10)]
    made = AsyncThrottler(table)
    assert (made.usage("ORDERS").limit, made.usage("/x").limit) == (2000, 9_000_000)


@pytest.mark.parametrize("connector", ["binance_us", "kraken", "strategy"], indirect=True)
def test_another_exchange_has_other_limits(connector: str) -> None:
    # Kraken's counter is no window: what it has is another kind.
    table = [RateLimit("ORDERS", 200, 10), RateLimit("PrivateEndpointLimitID", 900, 45)]
    made = AsyncThrottler(table)
    assert [made.usage(limit.limit_id).limit for limit in table] == [200, 900]


def test_no_account_is_held_to_less_than_the_largest_tier_has() -> None:
    tiers = {"vip": Tier(300), "pro": Tier(900)}
    assert published.least_strict(Limit("X", 100, 10, tiers=tiers)) == 900
    assert published.least_strict(Limit("X", 100, 10, tiers={"vip": Tier(300, 60)})) is None
    assert published.least_strict(Limit("X", 100, 10, key=("symbol",))) is None
    assert published.least_strict(Limit("X", 100, 10, kind="bucket")) is None


@pytest.mark.parametrize("connector", ["bybit"], indirect=True)
def test_an_endpoint_is_held_to_its_own_limit_once_it_is_known(connector: str) -> None:
    made = AsyncThrottler([RateLimit(FEES, 1000.0, 1)])
    endpoint_id, own = bybit_fees()
    most = published.least_strict(own)
    assert most is not None
    assert most < 1000
    made._learn(FEES, endpoint_id, own)
    assert made.usage(FEES).limit == most
    made._learn(FEES, "another endpoint", own)
    assert made.usage(FEES).limit == 1000
    made._learn(FEES, endpoint_id, own)
    assert made.usage(FEES).limit == 1000


@pytest.mark.usefixtures("connector")
def test_the_environment_leaves_the_connectors_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(listening.VARIABLE, "0")
    assert AsyncThrottler([RateLimit("ORDERS", 200, 10)]).usage("ORDERS").limit == 200
