"""What ccxt bears, it bears with the drop-in; and what it does not, it says by itself."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install
from tests.ccxt.strict import Server, ask, asynchronous, synchronous

#: Attributes of an object, all of which are set after it was made.
BORNE: list[dict[str, Any]] = [
    {"options": None},
    {"options": {"maxRetriesOnFailure": None}},
    {"rollingWindowSize": "5000"},
    {"tokenBucket": "a"},
    {"tokenBucket": [1]},
    {"tokenBucket": None},
    {"rateLimit": None},
    {"rateLimit": -1},
    {"httpProxy": 5},
    {"httpsProxy": ["http://proxy:1"]},
    {"proxies": ["http://proxy:1"]},
    {"apiKey": 5},
    {"apiKey": b"key"},
    {"hostname": None},
    {"enableRateLimit": None},
    {"options": {"sluicegate": {"account": 5}}},
]


@pytest.mark.parametrize("attributes", BORNE, ids=str)
async def test_settings_that_ccxt_bears(attributes: dict[str, Any]) -> None:
    install()
    for made in (synchronous(Server()), asynchronous(Server())):
        for name, value in attributes.items():
            setattr(made, name, value)
        answer = ask(made)
        assert (answer if made.__class__.__name__ == "_Sync" else await answer) == {}
        if hasattr(made, "close") and made.__class__.__name__ == "_Async":
            await made.close()


def outcome(attributes: dict[str, Any], params: Any) -> tuple[type, int]:
    """What becomes of a request, and how many were sent."""
    server = Server()
    made = synchronous(server)
    for name, value in attributes.items():
        setattr(made, name, value)
    try:
        answer = made.publicGetTickerPair(params)
    except Exception as error:
        return type(error), len(server.arrivals)
    return type(answer), len(server.arrivals)


@pytest.mark.parametrize(
    ("attributes", "params"),
    [
        ({"options": {"maxRetriesOnFailure": -1}}, {"pair": "btcusd"}),
        ({"options": {"maxRetriesOnFailure": "2"}}, {"pair": "btcusd"}),
        ({"options": {"maxRetriesOnFailure": 2.5}}, {"pair": "btcusd"}),
        ({}, {"pair": "btcusd", "maxRetriesOnFailure": -1}),
        ({}, {"pair": "btcusd", "maxRetriesOnFailure": 2}),
        ({"options": None}, {"pair": "btcusd", "maxRetriesOnFailure": 1}),
        ({"urls": None}, {"pair": "btcusd"}),
        ({}, {}),
        ({}, None),
        ({}, ["a"]),
        ({}, "btcusd"),
    ],
    ids=str,
)
def test_what_ccxt_does_with_the_rest_it_does_with_the_drop_in(
    attributes: dict[str, Any], params: Any
) -> None:
    own = outcome(attributes, params)
    install()
    assert outcome(attributes, params) == own


def test_a_cost_that_is_no_number_is_named() -> None:
    install()
    with pytest.raises(ValueError, match=r"^throttle\(\) of bitstamp costs 'a': that must be a n"):
        synchronous(Server()).throttle("a")


def test_an_option_for_sluicegate_that_is_no_dictionary_is_named() -> None:
    install()
    with pytest.raises(TypeError, match="must be a dictionary, as"):
        ccxt.bitstamp({"options": {"sluicegate": "main"}}).publicGetTickerPair({"pair": "btcusd"})
