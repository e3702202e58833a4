"""The list of the drop-ins, and the import hook that installs each with its program."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


@dataclass(frozen=True)
class DropIn:
    """One program that runs on sluicegate.

    Attributes:
        program: Its name.
        package: What is imported of it.
        triggers: The modules of the program after each of which the drop-in can be put in place.
            Not every program that uses it imports all of them.
        module: Ours: its ``install()`` puts it in place, its ``version()`` returns the
            installed version of the program.
        what: What it puts in place.
    """

    program: str
    package: str
    triggers: tuple[str, ...]
    module: str
    what: str

    def is_there(self) -> bool:
        """Whether the program can be imported."""
        return importlib.util.find_spec(self.package) is not None

    def version(self) -> str | None:
        """The program's version; ``None`` if it is not known."""
        found: str | None = importlib.import_module(self.module).version()
        return found

    def install(self) -> None:
        """Installs the drop-in. Any error is printed, and the program runs without it."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                importlib.import_module(self.module).install()
        except Exception as error:
            say(f"{self.program} runs without it: {error}")
        else:
            for warning in caught:
                say(str(warning.message))


DROP_INS = (
    DropIn(
        program="Hummingbot",
        package="hummingbot",
        triggers=("hummingbot.core.api_throttler.async_throttler",),
        module="sluicegate.hummingbot.installing",
        what="AsyncThrottler",
    ),
    DropIn(
        program="Freqtrade",
        package="freqtrade",
        triggers=("freqtrade.freqtradebot",),
        module="sluicegate.freqtrade.installing",
        what="rates",
    ),
    DropIn(
        program="ccxt",
        package="ccxt",
        triggers=("ccxt.base.exchange", "ccxt.async_support.base.exchange"),
        module="sluicegate.ccxt.installing",
        what="all exchange objects",
    ),
)


def say(text: str) -> None:
    """Prints a line on standard error, for the user who started the program."""
    print(f"sluicegate run: {text}", file=sys.stderr, flush=True)  # noqa: T201


def watch(drop_ins: Sequence[DropIn] = DROP_INS) -> None:
    """Puts each drop-in in place when its program is imported; at once where it was already.

    Nothing of a program that does not import it is imported: children may be of any kind.
    """
    waiting = {}
    for drop_in in drop_ins:
        if any(trigger in sys.modules for trigger in drop_in.triggers):
            drop_in.install()
        waiting.update({name: drop_in for name in drop_in.triggers if name not in sys.modules})
    sys.meta_path.insert(0, _Finder(waiting))


class _Finder(MetaPathFinder):
    """Finds what the others find, and hears of it when a program is imported."""

    def __init__(self, waiting: dict[str, DropIn]) -> None:
        self._waiting = waiting

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        drop_in = self._waiting.pop(fullname, None)
        if drop_in is None:
            return None
        spec = next(self._found(fullname, path, target), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, drop_in)
        return spec

    def _found(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> Iterator[ModuleSpec]:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", PathFinder.find_spec)
            if finder is not self and (spec := find(fullname, path, target)) is not None:
                yield spec


class _Loader(Loader):
    """Loads a module as its own loader does, and then puts the drop-in in place."""

    def __init__(self, loader: Loader, drop_in: DropIn) -> None:
        self._loader = loader
        self._drop_in = drop_in

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps no trace of us.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._drop_in.install()

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)
