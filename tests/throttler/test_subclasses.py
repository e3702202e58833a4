"""Subclasses of `Throttler`."""

from __future__ import annotations

import pytest

from sluicegate import (
    RateLimit,
    Throttler,
)


def test_a_subclass_may_have_an_init_of_its_own() -> None:
    class Connector(Throttler):
        def __init__(self, name: str, share: float) -> None:
            super().__init__([RateLimit("/x", 10, 1)], limits_share_percentage=share)
            self.name = name

    connector = Connector("binance", share=50)
    assert connector.name == "binance"
    assert connector.usage("/x").limit == 5
    with pytest.raises(RuntimeError, match="has its table"):
        connector.__init__("again", share=10)  # type: ignore[misc] # on purpose
    assert connector.usage("/x").limit == 5


def test_a_subclass_that_forgets_its_base_is_told_so() -> None:
    class Forgetful(Throttler):
        def __init__(self) -> None:
            pass

    for ask in ("execute_task", "try_acquire", "usage"):
        with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
            getattr(Forgetful(), ask)("/x")
