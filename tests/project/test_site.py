"""The documentation site has every page and every public name, and a way to each."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.repository import ROOT

tomllib: Any = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

PAGES = tomllib.loads((ROOT / "docs" / "reference.toml").read_text())["pages"]
PACKAGE = ROOT / "python" / "sluicegate"


def way_to(nav: Any) -> set[str]:
    """All pages that the navigation names."""
    if isinstance(nav, str):
        return {nav}
    entries = nav.values() if isinstance(nav, dict) else nav
    return set().union(*map(way_to, entries))


def public_modules() -> set[str]:
    """Each module with `__all__`, and with no underscore in its name or a parent's."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts) and "\n__all__ = " in path.read_text():
            found.add(".".join(parts))
    return found


def test_every_page_is_in_the_navigation_once_and_no_other() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text())
    nav = config["project"]["nav"]
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    pages |= {f"docs/reference/{page['name']}.md" for page in PAGES}
    pages |= {page.name for page in ROOT.glob("*.md")} | {"benches/RESULTS.md"}
    assert way_to(nav) == pages | {"rust/sluicegate/index.html"}


def test_every_public_name_is_in_the_reference_once() -> None:
    told: dict[str, list[str]] = {}
    for page in PAGES:
        module = page["module"]
        public = [x for x in importlib.import_module(module).__all__ if not x.startswith("__")]
        names = page.get("names") or public
        assert set(names) <= set(public), page["name"]
        told[module] = told.get(module, []) + names
    for module, names in told.items():
        public = [x for x in importlib.import_module(module).__all__ if not x.startswith("__")]
        assert sorted(names) == sorted(public), module


def test_every_public_module_has_a_page() -> None:
    # What only gives names of others has no page of its own.
    inner = {module for module in public_modules() if is_reexported(module)}
    assert public_modules() - inner == {page["module"] for page in PAGES}


def is_reexported(module: str) -> bool:
    """Whether a parent of a module gives all that the module does."""
    names = set(importlib.import_module(module).__all__)
    parents = [module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1)]
    return any(
        names <= set(getattr(importlib.import_module(parent), "__all__", ())) for parent in parents
    )


def test_every_public_name_says_what_it_is() -> None:
    for module in {page["module"] for page in PAGES}:
        found = importlib.import_module(module)
        for name in found.__all__:
            value = getattr(found, name)
            if callable(value):
                assert (value.__doc__ or "").strip(), f"{module}.{name} has no docstring"


def public_classes() -> list[type]:
    """Each class that a page of the reference has."""
    modules = {importlib.import_module(page["module"]) for page in PAGES}
    values = [getattr(module, name) for module in modules for name in module.__all__]
    return sorted(
        {one for one in values if isinstance(one, type)}, key=lambda cls: cls.__qualname__
    )


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_every_public_member_says_what_it_is(cls: type) -> None:
    own = [one for one in cls.__mro__ if one.__module__.startswith("sluicegate")]
    told = "".join(one.__doc__ or "" for one in own)
    fields = {field.name for field in dataclasses.fields(cls)} if is_dataclass(cls) else set()
    for name in {name for one in own for name in vars(one)} | fields:
        if name.startswith("_"):
            continue
        member = inspect.getattr_static(cls, name, None)
        # A class tells of its fields; all else has a docstring of its own.
        if name in fields or inspect.ismemberdescriptor(member):
            assert f"    {name}: " in told, f"{cls.__name__} does not tell of its field {name}"
        elif inspect.isroutine(getattr(cls, name)) or inspect.isdatadescriptor(member):
            assert inspect.getdoc(getattr(cls, name)), f"{cls.__name__}.{name} has no docstring"


def test_pages_are_where_the_site_looks_for_them() -> None:
    script: dict[str, Any] = {"__file__": str(ROOT / "make" / "site.py"), "__name__": "site_pages"}
    exec((ROOT / "make" / "site.py").read_text(), script)
    assert all(Path(ROOT, name).is_file() for name in script["PAGES"])
