"""The files of the exchanges, and the page that says how to write one."""

import re

import pytest

from sluicegate import Throttler, tables
from tests.helpers.repository import ROOT

PAGE = ROOT / "docs" / "tables.md"


def example() -> str:
    found = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return next(text for text in found if 'name = "example"' in text)


def test_the_page_lists_every_file() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|.+\|.+\|$", PAGE.read_text(), re.M)
    assert rows == list(tables.names())


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
def test_each_fact_has_a_page_and_the_day_on_which_it_was_read(name: str) -> None:
    table = tables.load(name)
    facts = [*table.limits, *table.endpoints, *table.headers, *table.refusals, *table.clock]
    assert [fact for fact in facts if fact.source not in table.sources] == []
    assert all(len(source.read) == len("2026-11-29") for source in table.sources.values())


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
        beyond = beyond_others(table, endpoint)
        found = table.endpoint(
            endpoint.method, f"https://{endpoint.host or 'h'}{path}", beyond | query
        )
        assert found == endpoint, endpoint.id


def beyond_others(table: tables.Table, endpoint: tables.Endpoint) -> dict[str, object]:
    """Parameters that are more than what any other entry of the path takes."""
    others = [
        other
        for other in table.endpoints
        if other != endpoint and (other.method, other.path) == (endpoint.method, endpoint.path)
    ]
    most: dict[str, float] = {}
    items: dict[str, float] = {}
    for other in others:
        most |= {name: max(x, most.get(name, x)) for name, x in other.up_to.items()}
        items |= {name: max(x, items.get(name, x)) for name, x in other.items_up_to.items()}
    beyond: dict[str, object] = {name: str(x + 1) for name, x in most.items()}
    return beyond | {name: ["1"] * int(x + 1) for name, x in items.items()}


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
