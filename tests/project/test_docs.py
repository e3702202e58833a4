"""Every example of the README and the docs runs as it stands; files that they name exist."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import sluicegate
from sluicegate import tables
from sluicegate._meter.command import _parser as top_parser
from sluicegate.tables.command import _parser as tables_parser
from sluicegate.testing.__main__ import _parser
from tests.helpers.platforms import needs_budget_in_a_file
from tests.helpers.repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^```toml\n(name = \"(\w+)\".*?)^```$", re.MULTILINE | re.DOTALL)
"""A table of an exchange, which its reader saves under its name."""


def blocks() -> list[object]:
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text()), start=1):
            name = f"{page.relative_to(ROOT)}-{number}"
            marks = [needs_budget_in_a_file] if "sqlite:///" in match.group(1) else []
            found.append(pytest.param(page, match.group(1), id=name, marks=marks))
    return found


@pytest.mark.parametrize(("page", "code"), blocks())
def test_example_runs_as_it_stands(page: Path, code: str, tmp_path: Path) -> None:
    """Each in a process and a folder of its own, as its reader would try it."""
    for table, name in TABLE.findall(page.read_text()):
        (tmp_path / f"{name}.toml").write_text(table)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_examples_that_are_not_run_here_are_run_inside_the_programs_that_they_need() -> None:
    """By peers/freqtrade/test_freqtrade_docs.py and peers/hummingbot/test_hummingbot_docs.py."""
    others = {page.name for page in PAGES if "\n```py\n" in page.read_text()}
    assert others == {"freqtrade.md", "hummingbot.md"}


def commands() -> list[object]:
    """Each line of the shell blocks, but those that only Docker understands."""
    found = []
    for page in PAGES:
        for block in SHELL.findall(page.read_text()):
            lines = [line.split("#")[0].strip() for line in block.splitlines()]
            found += [pytest.param(line, id=f"{page.name}: {line}") for line in lines if line]
    return found


@pytest.mark.parametrize("line", commands())
def test_command_is_one_that_there_is(line: str) -> None:
    words = shlex.split(line.removesuffix("&"))
    match words:
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["pip", "install", "." | "sluicegate"]:
            pass
        case ["pip", "install", extra]:
            [name] = re.findall(r"^\.\[(\w+)\]$", extra)
            assert re.search(rf"^{name} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        case ["python", "-m", "sluicegate.testing", *options]:
            _parser().parse_args(options)
        case ["sluicegate", "tables", *options]:
            assert not tables_parser().parse_args(options).name or options[0] in tables.names()
        case ["sluicegate", "top", *options]:
            top_parser().parse_args(options)
        case ["sluicegate", "run", _, *_] | ["docker", "compose", *_]:
            pass
        case _:
            pytest.fail(f"no test knows this command: {line}")


def test_the_package_docstring_is_true() -> None:
    # Those of its classes are run by test_docstrings.py.
    test = doctest.DocTestParser().get_doctest(sluicegate.__doc__, {}, "sluicegate", None, 0)
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_readme_has_examples() -> None:
    assert BLOCK.search((ROOT / "README.md").read_text())


def test_the_design_names_files_and_tests_that_there_are() -> None:
    text = re.sub(r"```.*?```", "", (ROOT / "docs" / "design.md").read_text(), flags=re.DOTALL)
    names = set(re.findall(r"`([^`]+)`", text))
    paths = {name for name in names if re.fullmatch(r"(src|python|benches|tests)/[\w/.]+", name)}
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, missing
    assert len(paths) > 20
    folders = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "tests").rglob("*.py")]
    written = "\n".join(path.read_text() for path in folders)
    promises = [line for line in text.splitlines() if re.match(r"\| I\d+ \|", line)]
    assert len(promises) == 10
    for promise in promises:
        tests = re.findall(r"`([a-z]\w+)`", promise.split("|")[-2])
        assert tests, promise
        for test in tests:
            assert re.search(rf"\b(fn|def) {test}\(", written), test
