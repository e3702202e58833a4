"""`install` and `uninstall`: replace classes of an installed Hummingbot, and restore them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from abc import ABCMeta
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sluicegate._priorities import Priorities
from sluicegate.hummingbot import assistant
from sluicegate.hummingbot import priorities as priorities_module
from sluicegate.hummingbot.context import AsyncRequestContext, AsyncRequestContextBase
from sluicegate.hummingbot.data_types import LinkedLimitWeightPair, RateLimit, TaskLog
from sluicegate.hummingbot.stands_for import PACKAGE, StandsFor
from sluicegate.hummingbot.throttler import AsyncThrottler, AsyncThrottlerBase

#: The versions whose connectors were run on the drop-in, as packages and as source trees write it.
KNOWN_VERSIONS = frozenset({"20260920", "20260922", "dev-2.18.0"})

OURS: tuple[type[StandsFor], ...] = (
    LinkedLimitWeightPair,
    RateLimit,
    TaskLog,
    AsyncRequestContextBase,
    AsyncRequestContext,
    AsyncThrottlerBase,
    AsyncThrottler,
)

Place = tuple[ModuleType, str]

_originals: dict[type, type] = {}
"""Ours → Hummingbot's own, while the drop-in is installed."""

_ours_before: list[Place] = []
"""Where ours stood already when it was installed: imported from sluicegate directly."""


def version() -> str | None:
    """The installed Hummingbot's version; ``None`` if it is not known."""
    try:
        return importlib.metadata.version("hummingbot")
    except importlib.metadata.PackageNotFoundError:
        pass
    spec = importlib.util.find_spec("hummingbot")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder, "VERSION")
        if file.is_file():
            return file.read_text().strip()
    return None


def install(*, priorities: Priorities | None = None) -> None:
    """Puts sluicegate's throttler in place of Hummingbot's, in all modules, imported or not yet.

    Throttlers that exist already stay what they are: install before connectors are made. A second
    call does nothing new, but for ``priorities``.

    Args:
        priorities: Which of several waiting requests goes first. By default cancels, then orders,
            then account questions, then market data, unless ``SLUICEGATE_PRIORITIES=0`` is in the
            environment. ``{"GET /depth": 3}`` or ``{"/depth": 3}`` gives an id of the connector's
            table a priority of its own (a whole number, higher first; the usual ones are 0 to 3).
            ``False``: all in the order in which they came. It holds for throttlers that are made
            from now on.

    Raises:
        ImportError: Hummingbot is not installed, or has no throttler that this could stand for.
        TypeError: ``priorities`` is of a wrong type.
        ValueError: A priority is out of range.
    """
    if priorities is not None:
        priorities_module.use(priorities)
    originals = {ours: _original(ours) for ours in OURS} if not _originals else dict(_originals)
    if not _originals:
        found = version()
        if found not in KNOWN_VERSIONS:
            warnings.warn(
                f"sluicegate was not tested with Hummingbot {found or '(no version)'}, but with "
                f"{', '.join(sorted(KNOWN_VERSIONS))}; its throttler is in place all the same",
                RuntimeWarning,
                stacklevel=2,
            )
        _ours_before.extend(place for ours in OURS for place in _places(ours))
        _originals.update(originals)
    for ours, original in originals.items():
        for module, name in _places(original):
            vars(module)[name] = ours
    # What still refers to Hummingbot's own base classes shall take ours for theirs.
    _register(AsyncThrottlerBase, AsyncThrottler)
    _register(AsyncRequestContextBase, AsyncRequestContext)
    assistant.install()


def uninstall() -> None:
    """Puts Hummingbot's own throttler back wherever `install` put ours, and where it spread to.

    Throttlers that exist already stay what they are. Does nothing where nothing is installed.
    """
    for ours, original in _originals.items():
        for module, name in _places(ours):
            if (module, name) not in _ours_before:
                vars(module)[name] = original
    for base in (AsyncThrottlerBase, AsyncRequestContextBase):
        if base in _originals:
            _unregister(_originals[base])
    _originals.clear()
    _ours_before.clear()
    assistant.uninstall()
    priorities_module.use(None)


def _original(ours: type[StandsFor]) -> type:
    module = f"{PACKAGE}.{ours.hummingbot_module}"
    try:
        original = getattr(importlib.import_module(module), ours.__name__)
    except ModuleNotFoundError as error:
        if error.name != "hummingbot" and not f"{module}.".startswith(f"{error.name}."):
            raise
        if error.name == "hummingbot":
            raise ImportError("Hummingbot is not installed for this Python") from error
        raise ImportError(f"this Hummingbot has no {module}") from error
    except AttributeError as error:
        raise ImportError(f"this Hummingbot has no {ours.__name__} in {module}") from error
    if not isinstance(original, type):
        raise ImportError(f"{module}.{ours.__name__} of this Hummingbot is no class")
    # A bot must not meet a missing method in the middle of its work.
    missing = [name for name in dir(original) if name[0] != "_" and not hasattr(ours, name)]
    if missing:
        raise ImportError(
            f"{module}.{ours.__name__} of this Hummingbot has {', '.join(missing)}, which "
            "sluicegate's has not"
        )
    return original


def _places(value: type) -> Iterator[Place]:
    """Where a class is known by a name, in modules other than ours."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        # A module may give itself any name, also none.
        if str(names.get("__name__")).split(".")[0] == "sluicegate":
            continue
        for name, known in list(names.items()):
            if known is value:
                yield module, name


def _register(base: type, derived: type) -> None:
    original = _originals[base]
    if isinstance(original, ABCMeta):
        original.register(derived)


def _unregister(original: Any) -> None:
    if isinstance(original, ABCMeta):
        # CPython keeps these for tests that do just this.
        original._abc_registry_clear()  # type: ignore[attr-defined]
        original._abc_caches_clear()  # type: ignore[attr-defined]
