"""The documentation site has every page and every public name, and a way to each."""

from __future__ import annotations

import importlib
import sys
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
    assert way_to(nav) == pages


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


def test_pages_are_where_the_site_looks_for_them() -> None:
    script: dict[str, Any] = {"__file__": str(ROOT / "make" / "site.py"), "__name__": "site_pages"}
    exec((ROOT / "make" / "site.py").read_text(), script)
    assert all(Path(ROOT, name).is_file() for name in script["PAGES"])
