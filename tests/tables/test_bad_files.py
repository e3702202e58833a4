"""Files that are no tables: each message has the file, the place, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate import tables

HEAD = """
name = "mine"
[sources.page]
url = "https://example.com/limits"
read = 2026-11-29
"""
LIMIT = """
[[limits]]
name = "ALL"
limit = 5
interval = 1
source = "page"
"""
ENDPOINT = """
[[endpoints]]
method = "GET"
path = "/a"
weights = { ALL = 1 }
source = "page"
"""
REFUSAL = """
[[refusals]]
means = "over"
status = [429]
source = "page"
"""
GOOD = HEAD + LIMIT + ENDPOINT + REFUSAL


def test_the_file_that_is_spoiled_below_is_a_table() -> None:
    table = tables.table_from_toml(GOOD, "mine.toml")
    assert table.find("GET", "/a") == "GET /a"
    assert table.limits[0].header_name is None


@pytest.mark.parametrize(
    ("text", "place", "right"),
    [
        ("name = ", "", "Invalid value"),
        ("\xff", "", ""),
        (GOOD.replace('name = "mine"', ""), "the table needs 'name'", "such as 'mine'"),
        (GOOD.replace('name = "mine"', "name = 5"), "name of a table must be a text", "got 5"),
        (GOOD.replace("name =", "nam = 1\nname =", 1), "the table has no 'nam'", "it takes limits"),
        (GOOD.replace("limit = 5", "limit = 0"), "limits[0]: limit of 'ALL'", "at least 1"),
        (GOOD.replace("limit = 5", "limt = 5"), "limits[0] has no 'limt'", "it takes name, limit"),
        (GOOD.replace("limit = 5", ""), "limits[0] needs 'limit'", ""),
        (GOOD.replace("interval = 1", ""), "limits[0] needs 'interval'", ""),
        (GOOD.replace("interval = 1", "interval = 0"), "limits[0]: interval of 'ALL'", "above 0"),
        (
            GOOD.replace("interval = 1", 'interval = 1\nkind = "leaky"'),
            "limits[0]: kind of 'ALL'",
            "one of rolling, fixed, first, bucket, concurrent, got 'leaky'",
        ),
        (
            GOOD.replace("interval = 1", 'interval = 1\nkind = "concurrent"'),
            "limits[0]: interval of 'ALL' must be 0",
            "a concurrent limit has none",
        ),
        (
            GOOD.replace("interval = 1", 'interval = 1\nscope = "ip"'),
            "limits[0]: scope of 'ALL'",
            "one of address, account, key, got 'ip'",
        ),
        (
            GOOD.replace("interval = 1", 'interval = 1\nkey = "symbol"'),
            "limits[0]: key of 'ALL'",
            "must be a list of names, got 'symbol'",
        ),
        (
            GOOD.replace("interval = 1", "interval = 1\nheaders = [{ name = 'X-A:' }]"),
            "limits[0].headers[0]",
            "no space, colon or line break",
        ),
        (
            GOOD.replace(
                "interval = 1", "interval = 1\nheaders = [{ name = 'X', tells = 'left' }]"
            ),
            "limits[0].headers[0]",
            "one of used, remaining, limit, reset",
        ),
        (
            GOOD.replace(
                "interval = 1", "interval = 1\nheaders = [{ name = 'X', tells = 'reset' }]"
            ),
            "limits[0].headers[0]",
            "one of seconds, ms, epoch-seconds, epoch-ms",
        ),
        (
            GOOD.replace("interval = 1", "interval = 1\ntiers = { pro = { limit = -1 } }"),
            "limits[0].tiers.pro",
            "at least 1",
        ),
        (LIMIT + HEAD.replace("[sources", "\n[sources"), "", ""),
        (GOOD.replace('source = "page"', "", 1), "limits[0] (ALL) needs 'source'", "[sources]"),
        (
            GOOD.replace('{ ALL = 1 }\nsource = "page"', "{ ALL = 1 }"),
            "endpoints[0] (/a) needs 'source'",
            "[sources]",
        ),
        (
            GOOD.replace('[429]\nsource = "page"', "[429]"),
            "refusals[0] (over) needs 'source'",
            "[sources]",
        ),
        (
            GOOD + "[[headers]]\nname = 'X-Left'\ntells = 'remaining'",
            "headers[0] (X-Left) needs 'source'",
            "[sources]",
        ),
        (GOOD + "[[clock]]\nheader = 'Date'", "clock[0] (Date) needs 'source'", "[sources]"),
        (
            GOOD + "[[clock]]\nheader = 'Date'\nsource = 'http'",
            "the clock 'Date' names the source 'http'",
            "the table has 'page'",
        ),
        (
            GOOD.replace('source = "page"', 'source = "pag"', 1),
            "'ALL' names",
            "'pag'; the table has",
        ),
        (GOOD.replace("https://", ""), "sources.page: url of a source", "must begin with https://"),
        (GOOD.replace("2026-11-29", '"yesterday"'), "sources.page: read of", "such as 2026-11-29"),
        (GOOD.replace('"/a"', '"a"'), "endpoints[0]: path must begin", "'/'"),
        (GOOD.replace("{ ALL = 1 }", "{ AL = 1 }"), "'GET /a' names the limit 'AL'", "has 'ALL'"),
        (GOOD.replace("{ ALL = 1 }", "{ ALL = 9 }"), "'GET /a' on 'ALL'", "must be 1 to 5, got 9"),
        (GOOD.replace("{ ALL = 1 }", "{ ALL = 0 }"), "endpoints[0]: weight of 'GET /a'", "leave"),
        (
            GOOD.replace("{ ALL = 1 }", "{ ALL = 1 }\neach = { x = { own = 1 } }"),
            "endpoints[0]: 'GET /a' has no limit of its own",
            "give it a limit and an interval",
        ),
        (
            GOOD.replace("{ ALL = 1 }", "{ ALL = 1 }\ngroup = 'data'"),
            "endpoints[0]: group of 'GET /a'",
            "market, account, order, cancel, got 'data'",
        ),
        (
            GOOD.replace("{ ALL = 1 }", "{ ALL = 1 }\nequals = { a = 5 }"),
            "endpoints[0]: equals of 'GET /a' on 'a'",
            "a text or a list of texts, got 5",
        ),
        (
            GOOD.replace("{ ALL = 1 }", "{ ALL = 1 }\nhost = 'https://x.com/'"),
            "endpoints[0]: host of 'GET /a'",
            "a name such as 'api.x.com'",
        ),
        (GOOD + ENDPOINT, "id 'GET /a' is there twice", "give one endpoint another id"),
        (GOOD.replace('"over"', '"full"'), "refusals[0]: means", "over, banned, overloaded"),
        (GOOD.replace("[429]", "[42]"), "refusals[0]: status", "HTTP statuses such as 429"),
        (GOOD.replace("[429]", "429"), "refusals[0]: status", "must be a list"),
        (GOOD.replace("status = [429]", ""), "refusals[0]: a refusal needs", "a code or a text"),
        (
            GOOD.replace("[429]", "[429]\ntext = '('"),
            "refusals[0]: text of a refusal must be a regular expression",
            "got '('",
        ),
        (
            GOOD.replace("[429]", "[429]\nlimits = ['NONE']"),
            "a refusal names the limit 'NONE'",
            "the table has 'ALL', 'own'",
        ),
        (
            GOOD.replace("[429]", "[429]\nwait = [{ text = 'until' }]"),
            "refusals[0].wait[0]: text of a wait needs one group",
            "such as",
        ),
        (
            GOOD.replace("[429]", "[429]\nwait = [{ header = 'A', seconds = 5 }]"),
            "refusals[0].wait[0]: a wait needs one of",
            "got header and seconds",
        ),
        (
            GOOD.replace("[429]", "[429]\nwait = [{ header = 'A', format = 'minutes' }]"),
            "refusals[0].wait[0]: format of a wait",
            "one of seconds, ms",
        ),
        (
            GOOD + "[[clock]]\nsource = 'page'\nformat = 'epoch-ms'",
            "clock[0]: a clock needs a header",
            "or a path",
        ),
        (
            GOOD + "[[differences]]\npeer = 'ccxt'\nids = ['GET /b']\nwhy = 'because it is so.'",
            "a difference names 'GET /b'",
            "no limit and no endpoint's id",
        ),
        (
            GOOD + "[[differences]]\npeer = 'ccxt'\nids = ['GET /a']\nwhy = '?'",
            "differences[0]: why",
            "a sentence that says who is right",
        ),
        ("name = 'mine'\nlimits = 5", "limits must be a list", "got 5"),
        ("name = 'mine'\nlimits = [5]", "limits[0] must be an object", "got 5"),
        ("name = 'mine'", "at least one limit", "got none"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, right: str) -> None:
    with pytest.raises(ValueError, match=r"^folder/mine\.toml: ") as caught:
        tables.table_from_toml(text.encode("latin-1"), "folder/mine.toml")
    message = str(caught.value)
    assert place in message
    assert right in message
    assert "\n" not in message


def test_unknown_exchange_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no table 'krakn': there are .*did you mean 'kraken'\?"):
        tables.load("krakn")
    with pytest.raises(ValueError, match="no table 5: there are"):
        tables.load(5)  # type: ignore[arg-type]
    assert tables.load("BINANCE_SPOT") is tables.load("binance-spot")


def test_file_is_read_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert tables.table_from_file(path) == tables.table_from_toml(GOOD, "x")
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"mine\.toml: "):
        tables.table_from_file(path)


def test_tables_that_come_with_it_are_read_once_and_only_when_asked_for() -> None:
    import subprocess
    import sys

    code = (
        "import sys, sluicegate\n"
        "assert not any(x.startswith('sluicegate.tables') for x in sys.modules)\n"
        "from sluicegate import tables\n"
        "from sluicegate.tables.table_toml import load_file\n"
        "tables.names()\n"
        "assert load_file.cache_info().misses == 0\n"
        "assert tables.load('okx') is tables.load('okx')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
