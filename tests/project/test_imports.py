"""Which parts import which: no circle in Python, and in Rust only those parts that are below."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.helpers.repository import ROOT

PYTHON = ROOT / "python" / "sluicegate"
RUST = ROOT / "src"

# ---- Python

#: Rust's side of the package, which the parts import, and which imports some of them when needed.
BINDING = "_core"
#: `from sluicegate import …`: what users import.
PACKAGE = "sluicegate"


def python_files() -> dict[str, str]:
    """The source of each module of the package, by its path in it."""
    return {str(path.relative_to(PYTHON)): path.read_text() for path in PYTHON.rglob("*.py")}


def python_part(path: str) -> str:
    """The part that a file belongs to: a folder or a module of the package."""
    part = path.split("/")[0].removesuffix(".py")
    return PACKAGE if part == "__init__" else part


def python_imports(path: str, source: str) -> Iterator[str]:
    """The parts that a file imports, on top or within a function, or for types alone."""
    folders = ("sluicegate/" + path).split("/")[:-1]
    for node in ast.walk(ast.parse(source)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folders[: len(folders) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            modules = [f"{base}.{alias.name}" for alias in node.names]
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "sluicegate":
                yield rest.split(".")[0] if is_part(rest.split(".")[0]) else PACKAGE


def is_part(name: str) -> bool:
    return name == BINDING or (PYTHON / name).is_dir() or (PYTHON / f"{name}.py").is_file()


def python_graph(files: dict[str, str]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path, source in files.items():
        part = python_part(path)
        graph.setdefault(part, set()).update(set(python_imports(path, source)) - {part, BINDING})
    return graph


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """A way from a part back to itself; None if there is none."""
    done: set[str] = set()

    def follow(part: str, way: list[str]) -> list[str] | None:
        if part in way:
            return [*way[way.index(part) :], part]
        if part in done:
            return None
        for known in sorted(graph.get(part, ())):
            if found := follow(known, [*way, part]):
                return found
        done.add(part)
        return None

    for part in sorted(graph):
        if found := follow(part, []):
            return found
    return None


def test_no_parts_of_the_package_import_each_other_in_a_circle() -> None:
    graph = python_graph(python_files())
    assert {"exchange", "freqtrade", "hummingbot", "testing", "demo", "cache", "_run"} <= set(graph)
    found = circle(graph)
    assert found is None, f"a circle of imports: {' → '.join(found or [])}"


@pytest.mark.parametrize(
    "line",
    [
        "from sluicegate import freqtrade",
        "from sluicegate.freqtrade.settings import Settings",
        "import sluicegate.freqtrade.settings",
        "from ..freqtrade.settings import Settings",
        "from .. import freqtrade",
        "def late():\n    from sluicegate.freqtrade import settings",
    ],
)
def test_a_circle_is_found_however_it_is_imported(line: str) -> None:
    files = {**python_files(), "exchange/new.py": line}
    assert {"exchange", "freqtrade"} <= set(circle(python_graph(files)) or ())


def test_what_the_package_itself_exports_counts_as_a_part() -> None:
    files = {**python_files(), "cache/new.py": "from sluicegate import Throttler"}
    assert set(circle(python_graph(files)) or ()) == {"cache", "sluicegate"}


# ---- Rust

#: The parts that each part may know.
BELOW: dict[str, set[str]] = {
    "clock": set(),
    "error": set(),
    "limit": {"clock", "error"},
    "gate": {"limit", "clock", "error"},
    "wait": {"gate", "limit", "clock", "error"},
    "cache": set(),
    "share": {"clock", "error"},
    "store": {"clock", "error"},
    "member": {"wait", "gate", "limit", "store", "share", "clock", "error"},
    "python": {"member", "wait", "gate", "limit", "cache", "store", "share", "clock", "error"},
}


def rust_files() -> dict[str, str]:
    """The source of each file of the crate but its root, by its path in `src`."""
    paths = [path for path in RUST.rglob("*.rs") if path != RUST / "lib.rs"]
    return {str(path.relative_to(RUST)): path.read_text() for path in paths}


def exported() -> dict[str, str]:
    """The names that the root of the crate exports, and the part that each is of."""
    lines = (RUST / "lib.rs").read_text()
    uses = re.findall(r"^pub(?:\(crate\))? use (?:crate::)?(\w+)::(.+?);", lines, re.M | re.S)
    return {name: part for part, names in uses for name in re.findall(r"\w+", names)}


def rust_names(path: str, source: str) -> Iterator[tuple[str, int]]:
    """The first name below the root of the crate in each path, with the number of its line."""
    file = path.removesuffix(".rs").removesuffix("/mod").split("/")
    inline: list[tuple[str, str]] = []
    code = re.sub(r"//[^\n]*", "", source)
    for number, line in enumerate(code.split("\n"), start=1):
        if inline and line == inline[-1][1] + "}":
            inline.pop()
        if begun := re.match(r"(\s*)(?:pub(?:\([^)]*\))? )?mod (\w+) \{$", line):
            inline.append((begun[2], begun[1]))
        line = re.sub(r"pub\([^)]*\)", "", line)
        depth = len(file) + len(inline)
        for found in re.finditer(r"\b(crate|super(?:::super)*)::(\w+|\{|\*)", line):
            if found[1] == "crate" or found[1].count("super") >= depth:
                if found[2] != "{":
                    yield found[2], number
                    continue
                group = code.split("\n", number - 1)[-1].split("{", 1)[1].split(";", 1)[0]
                group = re.sub(r"\{[^{}]*\}", "", group)
                for name in re.findall(r"(?:^|[,\n])\s*(\w+)", group):
                    yield name, number


def rust_problems(files: dict[str, str]) -> list[str]:
    """Each use of a part that is not below the one that uses it."""
    names = exported()
    found = []
    for path, source in sorted(files.items()):
        part = path.split("/")[0].removesuffix(".rs")
        if part not in BELOW:
            found.append(f"src/{path}: write into BELOW, in this test, which parts {part} may know")
            continue
        for name, number in rust_names(path, source):
            used = names.get(name, name)
            if used != part and used not in BELOW[part]:
                below = ", ".join(sorted(BELOW[part])) or "no other part"
                found.append(f"src/{path}:{number}: {part} uses {name}, but may know {below} only")
    return found


def test_the_rust_parts_know_only_those_below_them() -> None:
    problems = rust_problems(rust_files())
    assert not problems, "\n".join(problems)


def test_the_order_of_the_rust_parts_has_no_circle() -> None:
    assert circle(BELOW) is None


def binding_graph(files: dict[str, str]) -> dict[str, set[str]]:
    """Which folders and files of `src/python/` use which others."""
    graph: dict[str, set[str]] = {}
    for path, source in files.items():
        folders = path.removesuffix(".rs").split("/")
        if folders[0] != "python" or folders[1] == "mod":
            continue
        named = re.findall(r"crate::python::(\w+)", source)
        if len(folders) > 2 and folders[2] != "mod":
            named += re.findall(r"super::super::(\w+)", source)
        graph.setdefault(folders[1], set()).update(set(named) - {folders[1]})
    return graph


def test_the_folders_of_the_binding_have_no_circle() -> None:
    files = rust_files()
    assert circle(binding_graph(files)) is None
    assert "sharing" in binding_graph(files)["throttler"]
    files["python/sharing/new.rs"] = "use crate::python::throttler::PyUsage;"
    assert {"sharing", "throttler"} <= set(circle(binding_graph(files)) or ())


def test_the_rust_parts_that_there_are_are_found_to_use_each_other() -> None:
    """Or this file would read nothing and find nothing wrong."""
    names = exported()
    assert names["Throttler"] == "wait"
    used = {
        (path.split("/")[0].removesuffix(".rs"), names.get(name, name))
        for path, source in rust_files().items()
        for name, _ in rust_names(path, source)
    }
    for part, below in pairwise(["python", "wait", "gate", "limit", "clock"]):
        assert (part, below) in used, (part, below)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("limit/new.rs", "use crate::gate::Hold;"),
        ("limit/new.rs", "use crate::Hold;"),
        ("limit/new.rs", "use crate::{clock::Nanos, gate::{Hold, Options}};"),
        ("limit/new.rs", "use crate::{\n    clock::Nanos,\n    gate::Hold,\n};"),
        ("limit/new.rs", "fn f(hold: crate::gate::Hold) {}"),
        ("limit/mod.rs", "use super::gate::Hold;"),
        ("limit/new.rs", "use super::super::gate::Hold;"),
        ("limit/new.rs", "mod tests {\n    use super::super::super::gate::Hold;\n}"),
        ("cache/new.rs", "use crate::clock::Nanos;"),
        ("share/new.rs", "use crate::store::Row;"),
        ("gate/new.rs", "use crate::wait::Route;"),
        ("wait/new.rs", "use crate::cache::Store;"),
        ("wait/new.rs", "use crate::*;"),
        ("clock.rs", "use super::error::Error;"),
        ("brand_new/mod.rs", ""),
    ],
)
def test_a_use_of_a_part_above_is_found_however_it_is_written(path: str, line: str) -> None:
    assert len(rust_problems({path: line})) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("limit/new.rs", "use super::period::Period;"),
        ("limit/new.rs", "mod tests {\n    use super::super::gate::Hold;\n}"),
        ("limit/new.rs", "// as crate::gate::Hold"),
        ("gate/new.rs", "pub(in crate::wait) fn f() {}"),
        ("gate/new.rs", "use crate::{Period, clock::{Nanos, gate}};"),
        ("member/new.rs", "use crate::share::Rules;"),
    ],
)
def test_a_use_of_a_part_below_is_no_problem(path: str, line: str) -> None:
    assert rust_problems({path: line}) == []
