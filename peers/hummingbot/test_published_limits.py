"""What exchanges publish beside Hummingbot's tables: each difference is explained in our file."""

from __future__ import annotations

import pytest

from peers.hummingbot.tables import PAIRS, tables
from sluicegate.tables import load, names
from tests.tables.comparing import check, config, hummingbot_differences

TABLES = tables()


@pytest.mark.parametrize("name", names())
def test_each_difference_from_hummingbot_is_explained(name: str) -> None:
    settings = config(name, "hummingbot")
    if settings is None:
        pytest.skip(f"tests/tables/peers/{name}.toml has no [hummingbot]")
    table = load(name)
    found = [
        difference
        for one in settings["tables"]
        for difference in hummingbot_differences(table, TABLES[one], settings, PAIRS)
    ]
    check(table, "hummingbot", found)
