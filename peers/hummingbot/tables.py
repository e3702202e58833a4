"""Every table of limits that Hummingbot's connectors have."""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

PAIRS = ["BTC-USDT", "ETH-USDT"]

#: Libraries of single exchanges: large, in contradiction to each other, and of no use for a table.
UNNEEDED = ("decibel", "eth_abi", "eth_account", "google", "pyinjective", "web3", "xrpl")


class _Nothing(MetaPathFinder, Loader):
    """Imports a library that is not there as one that has everything and does nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = fullname.split(".")[0] in UNNEEDED
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = MagicMock(name=spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def pretend_unneeded() -> None:
    """Has libraries of single exchanges imported as ones that do nothing."""
    if not any(isinstance(finder, _Nothing) for finder in sys.meta_path):
        sys.meta_path.append(_Nothing())


def is_table(value: object) -> bool:
    return (
        isinstance(value, list | set)
        and bool(value)
        and all(type(row).__name__ == "RateLimit" for row in value)
    )


def modules() -> Iterator[ModuleType]:
    """The modules of connectors in which tables are."""
    pretend_unneeded()
    import hummingbot.connector

    path, prefix = hummingbot.connector.__path__, "hummingbot.connector."
    for found in pkgutil.walk_packages(path, prefix):
        if found.ispkg or "RateLimit(" not in _source(found.name):
            continue
        if found.name.endswith(("constants", "utils")):
            yield importlib.import_module(found.name)


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text() if spec.origin.endswith(".py") else ""


def tables() -> dict[str, list[Any]]:
    """All tables: those that are written down, and those that a function builds."""
    found = {}
    for module in modules():
        short = module.__name__.removeprefix("hummingbot.connector.")
        for name, value in list(vars(module).items()):
            if is_table(value):
                found[f"{short}.{name}"] = list(value)
            elif name.startswith("build_rate_limits") and value.__module__ == module.__name__:
                found[f"{short}.{name}"] = value(*_arguments(value))
    return found


def _arguments(build: Any) -> list[object]:
    """A function that builds a table wants trading pairs, or has defaults for all that it wants."""
    parameters = inspect.signature(build).parameters.values()
    required = [p for p in parameters if p.default is p.empty or p.name == "trading_pairs"]
    return [PAIRS for _ in required]
