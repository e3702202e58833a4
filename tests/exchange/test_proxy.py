"""The proxy around an exchange object: all that no rule limits is the object's own."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest

from sluicegate.exchange import limit
from tests.exchange.fmz import Exchange, World


@pytest.fixture
def world() -> World:
    world = World()
    world.exchange.IO("rate", "GetTicker", 100, "1s")
    return world


def test_attributes_properties_and_results_pass_through(world: World) -> None:
    assert world.exchange.label == "A"
    assert world.exchange.total == 0
    assert world.exchange.GetName() == "Stand-in"
    assert world.exchange.GetTicker("X")["Args"] == ("X",)
    assert world.exchange.total == 1


def test_setting_and_deleting_attributes_reaches_the_object(world: World) -> None:
    world.exchange.label = "B"
    world.exchange.more = [1]
    assert (world.inner.label, world.inner.more) == ("B", [1])  # type: ignore[attr-defined]
    del world.exchange.more
    assert not hasattr(world.inner, "more")


def test_a_method_that_is_replaced_is_limited_still(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    world.exchange.GetTicker = lambda: "mine"
    assert [world.exchange.GetTicker(), world.exchange.GetTicker()] == ["mine", None]


def test_exceptions_pass_through_limited_or_not(world: World) -> None:
    with pytest.raises(ConnectionError, match="the exchange is down"):
        world.exchange.GetRecords()
    world.exchange.IO("rate", "GetRecords", 1, "1s")
    with pytest.raises(ConnectionError, match="the exchange is down"):
        world.exchange.GetRecords()
    with pytest.raises(AttributeError, match="no attribute 'GetNothing'"):
        _ = world.exchange.GetNothing


def test_an_object_lacks_what_it_lacks_whatever_the_rules_name(world: World) -> None:
    world.exchange.IO("rate", "*", 5, "1s")
    assert not hasattr(world.exchange, "GetTickers")
    assert not hasattr(world.exchange, "fetch_ticker")
    assert hasattr(world.exchange, "GetTicker")


def test_it_looks_like_the_object(world: World) -> None:
    assert repr(world.exchange) == "<Exchange A>"
    assert f"{world.exchange}" == "<Exchange A>"
    assert isinstance(world.exchange, Exchange)
    assert world.exchange == world.inner
    assert world.exchange == world.limit(world.inner)
    assert world.exchange != Exchange()
    assert hash(world.exchange) == hash(world.inner)
    assert vars(world.exchange) is vars(world.inner)
    assert {"GetTicker", "label", "IO", "Go", "last_error"} <= set(dir(world.exchange))


def test_what_python_looks_up_in_the_class_is_there() -> None:
    class Container:
        def __init__(self) -> None:
            self.entered = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, key: str) -> str:
            return key * 2

        def __call__(self, value: int) -> int:
            return value + 1

        def __enter__(self) -> Container:
            self.entered += 1
            return self

        def __exit__(self, *_: object) -> None:
            self.entered -= 1

        def GetTicker(self) -> str:
            return "ticker"

    inner = Container()
    exchange: Any = limit(inner)
    exchange.IO("rate", "GetTicker", 1, "1h")
    assert (len(exchange), exchange["a"], exchange(1)) == (3, "aa", 2)
    with exchange as entered:
        assert inner.entered == 1
        # What the object gives of itself is no way around its limits.
        assert [entered.GetTicker(), entered.GetTicker()] == ["ticker", None]
    assert inner.entered == 0


def test_copies_are_under_the_same_rules(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 3, "1s")
    for made in (copy.copy(world.exchange), copy.deepcopy(world.exchange)):
        made.label = "B"
        assert made.GetTicker() is not None
    assert world.inner.label == "A"
    assert world.exchange.GetTicker() is not None
    assert world.exchange.GetTicker() is None


def test_it_cannot_be_pickled_around_its_limits(world: World) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(world.exchange)


def test_an_inner_buy_is_charged_once(world: World) -> None:
    world.exchange.IO("rate", "CreateOrder", 2, "1s")
    assert world.exchange.Buy(1, 1)
    assert world.throttler.usage("rate:CreateOrder").used == 1
    assert world.exchange.CreateOrder("X", "buy", 1, 1)
    assert world.exchange.Sell(1, 1) is None
    assert world.inner.seen == ["CreateOrder", "CreateOrder"]


def test_names_tell_what_the_methods_of_any_object_are(world: World) -> None:
    class Client:
        def price(self) -> str:
            return "price"

        def place(self) -> str:
            return "placed"

        def place_market(self) -> str:
            return "placed at market"

    names = {"price": "fetch_ticker", "place": "CreateOrder", "place_market": "CreateOrder"}
    client = world.limit(Client(), names=names)
    client.IO("rate", "CreateOrder", 1, "1s")
    assert (client.place(), client.place_market()) == ("placed", None)
    client.IO("quota", "price", 1, "1s")
    assert (client.price(), client.price()) == ("price", None)
    world.Sleep(1000)
    client.IO("rate", "*", 1, "1s")
    assert (client.price(), client.place()) == ("price", None)


def test_names_may_be_new_ones(world: World) -> None:
    class Client:
        def withdraw(self) -> str:
            return "withdrawn"

    client = world.limit(Client(), names={"withdraw": "TakeOut"})
    client.IO("rate", "TakeOut", 1, "1s")
    assert (client.withdraw(), client.withdraw()) == ("withdrawn", None)
    with pytest.raises(ValueError, match="did you mean 'TakeOut'"):
        client.IO("rate", "TakeOot", 1, "1s")


def test_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no method 'GetTiker'; did you mean 'GetTicker'"):
        limit(Exchange(), names={"GetTiker": "GetTicker"})
    with pytest.raises(TypeError, match="a mapping of methods to functions"):
        limit(Exchange(), names=["GetTicker"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="names of methods to names of functions"):
        limit(Exchange(), names={"GetTicker": 1})  # type: ignore[dict-item]


def test_a_property_is_not_read_for_a_rule() -> None:
    class Client:
        @property
        def dear(self) -> None:
            raise AssertionError("it asks the exchange something")

        def GetTicker(self) -> str:
            return "ticker"

    exchange = limit(Client())
    exchange.IO("rate", "*", 1, "1s")
    assert exchange.GetTicker() == "ticker"


def test_it_goes_away_with_its_last_user() -> None:
    exchange = limit(Exchange())
    exchange.IO("rate", "*", 1, "1s")
    inner = weakref.ref(exchange._inner)
    del exchange
    gc.collect()
    assert inner() is None
