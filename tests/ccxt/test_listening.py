"""What answers say about limits holds for all objects."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install, usage
from sluicegate.ccxt.table_of import tables_for
from sluicegate.testing import ManualClock, StandInExchange, binance_spot
from tests.ccxt.strict import Server, ask, synchronous

WEIGHT = "REQUEST_WEIGHT"


@pytest.fixture
def stand_in() -> Iterator[StandInExchange]:
    with StandInExchange(binance_spot(minute=6)) as exchange:
        yield exchange


def binance(stand_in: StandInExchange, **config: Any) -> Any:
    """Binance at the stand-in."""
    sections = ("public", "private", "v1", "v3", "sapi")
    api = dict.fromkeys(sections, f"{stand_in.url}/api/v3")
    return ccxt.binance({"apiKey": "k", "secret": "s", "urls": {"api": api}, **config})


def answers(exchange: Any, status: int, headers: dict[str, str], body: str = "{}") -> Any:
    """An object that is answered so, by way of ccxt's own handling of answers."""

    def fetch(url: str, method: str = "GET", *_: Any) -> Any:
        text = exchange.on_rest_response(status, "", url, method, headers, body, {}, None)
        exchange.handle_http_status_code(status, "", url, method, text)
        return exchange.on_json_response(text) if hasattr(exchange, "on_json_response") else {}

    exchange.fetch = fetch
    return exchange


def test_a_header_tells_what_others_use(stand_in: StandInExchange) -> None:
    install()
    exchange = answers(binance(stand_in), 200, {"X-MBX-USED-WEIGHT-1M": "5000"})
    exchange.publicGetPing()
    assert usage(exchange)[WEIGHT].used >= 5000


@pytest.mark.parametrize(("status", "raised"), [(429, "429"), (418, "418")])
def test_a_refusal_holds_every_object_of_the_address(
    stand_in: StandInExchange, status: int, raised: str
) -> None:
    install()
    refused = answers(binance(stand_in), status, {"Retry-After": "30"})
    with pytest.raises(ccxt.NetworkError, match=raised):
        refused.publicGetPing()
    other = binance(stand_in, apiKey="another")
    told = usage(other)
    assert max(one.paused for one in told.values()) > 29
    assert stand_in.statistics().accepted == 0


def test_another_proxy_is_not_held(stand_in: StandInExchange) -> None:
    install()
    with pytest.raises(ccxt.NetworkError):
        answers(binance(stand_in), 418, {"Retry-After": "30"}).publicGetPing()
    elsewhere = answers(binance(stand_in), 200, {})
    elsewhere.httpsProxy = "http://proxy:1"
    assert elsewhere.publicGetPing() == {}


def test_an_exchange_without_a_table_is_heard_too() -> None:
    install()
    exchange = answers(synchronous(Server()), 429, {"Retry-After": "20"})
    with pytest.raises(ccxt.NetworkError):
        ask(exchange)
    assert usage(exchange)["all requests"].paused > 19


async def test_refusals_of_what_was_in_flight_are_one_offence(stand_in: StandInExchange) -> None:
    install()
    exchange = binance(stand_in)
    refused = answers(exchange, 429, {"Retry-After": "5"})
    together, fetch = threading.Barrier(4), refused.fetch

    def at_once(*args: Any) -> Any:
        together.wait()
        return fetch(*args)

    refused.fetch = at_once
    asked = [asyncio.to_thread(refused.publicGetPing) for _ in range(4)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, ccxt.NetworkError) for one in found)
    assert 4 < max(one.paused for one in usage(exchange).values()) <= 6


def test_headers_that_users_read_stay(stand_in: StandInExchange) -> None:
    install()
    exchange = binance(stand_in)
    exchange.publicGetPing()
    assert "X-MBX-USED-WEIGHT-1M" in exchange.last_response_headers


def test_an_answer_that_cannot_be_read_harms_nobody(
    stand_in: StandInExchange, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    # It is said once in a process: another test may have come before.
    for table in tables_for("binance", ""):
        monkeypatch.setattr(table._listener, "_warned", set())
    exchange = answers(binance(stand_in), 200, {"X-MBX-USED-WEIGHT-1M": "many"})
    assert exchange.publicGetPing() == {}
    assert "X-MBX-USED-WEIGHT-1M" in caplog.text


def kraken(**config: Any) -> Any:
    return ccxt.kraken({"apiKey": "k", "secret": "c2VjcmV0", "timeout": 1, **config})


def test_a_lockout_holds_what_the_account_asks_for_the_first_time() -> None:
    clock = ManualClock()
    install(clock=clock)
    locked_out = answers(kraken(), 200, {}, '{"error":["EGeneral:Temporary lockout"]}')
    locked_out.privatePostBalance()
    other = answers(kraken(), 200, {})
    assert other.publicGetTime() == {}, "not of the account"
    other = answers(kraken(apiKey="another"), 200, {})
    assert other.privatePostBalance() == {}, "not of this account"
    # It takes from a limit that nobody has taken from before.
    new = answers(kraken(), 200, {})
    asked = threading.Thread(target=new.privatePostAddOrder, daemon=True)
    asked.start()
    asked.join(0.3)
    assert asked.is_alive()
    paused = {name.partition(" of ")[0] for name, one in usage(new).items() if one.paused > 800}
    assert paused == {"CALLS", "all new requests"}
    clock.advance(1_000)
    asked.join(30)
    assert not asked.is_alive(), "it leaves nobody waiting"
