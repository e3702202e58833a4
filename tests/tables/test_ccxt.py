"""The costs of ccxt beside the tables: each difference is explained in the table's file."""

import re

import ccxt
import pytest

from sluicegate import tables
from tests.tables.comparing import ccxt_differences, check, config

KEY = "A" * 44
"""A key for requests that are signed and never sent."""


@pytest.mark.parametrize("name", tables.names())
def test_each_difference_from_ccxt_is_explained(name: str) -> None:
    settings = config(name, "ccxt")
    if settings is None:
        pytest.skip(f"tests/tables/peers/{name}.toml has no [ccxt]")
    exchange = getattr(ccxt, settings.get("class", re.sub("-", "", name)))(
        {
            "apiKey": KEY,
            "secret": KEY,
            "password": "x",
            "uid": "x",
            "walletAddress": "0x" + "1" * 40,
        }
    )
    table = tables.load(name)
    check(table, "ccxt", ccxt_differences(table, exchange, settings))
