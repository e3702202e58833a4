"""The files of the exchanges, and the page that says how to write one."""

import re

import pytest

from sluicegate import Throttler, tables
from tests.helpers.repository import ROOT

PAGE = ROOT / "docs" / "tables.md"


def example() -> str:
    found = re.search(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert found
    return found[1]


@pytest.mark.parametrize("name", tables.names())
def test_each_file_is_a_table_that_a_throttler_takes(name: str) -> None:
    table = tables.load(name)
    throttler = Throttler(table.rate_limits())
    for endpoint in table.endpoints:
        path = re.sub(r"\{\w+\}", "1", endpoint.path)
        assert table.prepare(throttler, endpoint.method, path) in throttler.usage()
        assert endpoint.source
        assert endpoint.group
    for tier in table.tiers:
        Throttler(table.at(tier).rate_limits())


@pytest.mark.parametrize("name", tables.names())
def test_each_endpoint_is_found_by_a_request_that_fits_it(name: str) -> None:
    """No entry stands in the shade of an earlier one."""
    table = tables.load(name)
    for endpoint in table.endpoints:
        path = re.sub(r"\{\w+\}", "1", endpoint.path)
        query: dict[str, object] = dict.fromkeys(endpoint.has, "1")
        query |= {k: v if isinstance(v, str) else v[0] for k, v in endpoint.equals.items()}
        query |= {k: str(most) for k, most in endpoint.up_to.items()}
        query |= {k: ["1"] * most for k, most in endpoint.items_up_to.items()}
        found = table.endpoint(endpoint.method, f"https://{endpoint.host or 'h'}{path}", query)
        others = [e for e in table.endpoints if (e.method, e.path) == (found.method, found.path)]
        is_last = endpoint == [e for e in others if e.host == endpoint.host][-1]
        assert found == endpoint or (is_last and not endpoint.is_conditional), endpoint.id


@pytest.mark.parametrize("name", tables.names())
def test_each_table_comes_back_from_json_as_it_went(name: str) -> None:
    table = tables.load(name)
    assert tables.table_from_json(tables.table_to_json(table)) == table


def test_the_example_of_the_page_is_a_table() -> None:
    table = tables.table_from_toml(example(), "docs/tables.md")
    assert table.find("GET", "/api/depth", {"limit": 20}) == "GET /api/depth?limit<=100"


def test_the_example_of_the_page_has_all_that_a_file_may_have() -> None:
    text = example()
    for kind in (tables.Endpoint, tables.Limit, tables.Refusal, tables.Wait, tables.Header):
        left_out = {"header"} if kind is tables.Limit else set()
        for name in set(kind.__dataclass_fields__) - left_out:
            assert re.search(rf"\b{name}\b", text), f"{kind.__name__}.{name}"
