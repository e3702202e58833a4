"""`install` and `uninstall`: replace the pacing of ccxt's base classes, and restore it."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from functools import wraps
from inspect import iscoroutinefunction, isfunction
from typing import Any

from sluicegate._core import ManualClock
from sluicegate._priorities import Priorities, chosen
from sluicegate._share import environment
from sluicegate.ccxt.budgets import Budgets
from sluicegate.ccxt.charges import Charges
from sluicegate.ccxt.hooks import Hooks
from sluicegate.share import Share

#: The modules whose `Exchange` all classes of ccxt derive from. The second may be imported later.
SYNCHRONOUS, ASYNCHRONOUS = "ccxt.base.exchange", "ccxt.async_support.base.exchange"
#: What is put in the place of ccxt's own: module, class, method, and the hook that stands for it.
_PLACES = (
    (SYNCHRONOUS, "Exchange", "__init__", "construct"),
    (SYNCHRONOUS, "Exchange", "fetch2", "fetch2"),
    (SYNCHRONOUS, "Exchange", "throttle", "throttle"),
    (SYNCHRONOUS, "Exchange", "on_rest_response", "on_rest_response"),
    (ASYNCHRONOUS, "Exchange", "fetch2", "fetch2"),
    (ASYNCHRONOUS, "Exchange", "throttle", "throttle"),
    ("ccxt.async_support.base.throttler", "Throttler", "__call__", "call"),
    # Older versions call the class of connections FastClient.
    (ASYNCHRONOUS, "Client FastClient", "open", "open"),
    (ASYNCHRONOUS, "Client FastClient", "send", "send"),
)


class _Installation:
    """One `install`, until its `uninstall`.

    Another program may replace a method after us and call ours from its own. What it put there
    stays, and ours, which it still calls, does from then on what ccxt's own does.
    """

    def __init__(self, budgets: Budgets) -> None:
        self.charges = Charges(budgets, self._hear)
        self._hooks = Hooks(self.charges, self.cover)
        self._ours: dict[tuple[type, str], tuple[Any, Any]] = {}

    def cover(self) -> None:
        """Put ours in place in all modules that are imported by now; nothing is done twice.

        Raises:
            ImportError: ccxt is too different from those that are known.
        """
        for module, kind, name, hook in _PLACES:
            found = sys.modules.get(module)
            if found is None:
                continue
            root: Any = next((getattr(found, x) for x in kind.split() if hasattr(found, x)), None)
            if not callable(getattr(root, name, None)):
                raise ImportError(f"{module} of ccxt {version()} has no {kind}.{name}")
            # The layout differs among the versions of ccxt: the class that defines it is the one.
            owner = next(one for one in root.__mro__ if name in vars(one))
            self._put(owner, name, hook)

    def _put(self, owner: type, name: str, hook: str) -> None:
        if (owner, name) not in self._ours:
            own = vars(owner)[name]
            asynchronous = iscoroutinefunction(own) and name != "__call__"
            make = getattr(self._hooks, f"{hook}_async" if asynchronous else hook)
            method = wraps(own)(make(own))
            # One step: of two threads, one puts its own in place.
            if self._ours.setdefault((owner, name), (own, method))[1] is method:
                setattr(owner, name, method)

    def _hear(self, kind: type) -> None:
        """Hears answers also where a class has a method of the user's own for them.

        That one need not call ccxt's, in which they would be heard otherwise.
        """
        name = "on_rest_response"
        owner = next(one for one in kind.__mro__ if name in vars(one))
        if isfunction(vars(owner)[name]):
            self._put(owner, name, name)

    def end(self) -> None:
        self._hooks.ended = True
        for (owner, name), (own, method) in self._ours.items():
            if vars(owner).get(name) is method:
                setattr(owner, name, own)
        self.charges.budgets.close()


_installation: _Installation | None = None
"""The present installation."""


def version() -> str | None:
    """The installed ccxt's version; ``None`` if it is not known."""
    try:
        return importlib.metadata.version("ccxt")
    except importlib.metadata.PackageNotFoundError:
        return None


def install(
    share: str | Share | None = None,
    *,
    priorities: Priorities = True,
    clock: ManualClock | None = None,
) -> None:
    """Puts sluicegate's limits in place of ccxt's pacing, for all objects, old and new.

    ``ccxt.async_support`` and ``ccxt.pro`` may be imported before it or after it. A further call
    keeps the budgets that there are.

    Args:
        share: Where budgets are shared with other processes: the address of a store, or a
            `sluicegate.Share`. By default what the environment says (``SLUICEGATE_SHARE``), and
            otherwise nothing is shared.
        priorities: Which of several waiting requests goes first. By default cancels, then orders,
            then account questions, then market data, unless ``SLUICEGATE_PRIORITIES=0`` is in the
            environment. ``{"GET /depth": 4}`` gives requests a priority of their own (a whole
            number, higher first; the usual ones are 0 to 3): by method and path, by path, by the
            end of a path, or by an id of sluicegate's table. ``False``: all in the order in which
            they came.
        clock: A `sluicegate.testing.ManualClock`, for tests. By default the machine's clock.

    Raises:
        ImportError: ccxt is not installed, or is too different from those that are known.
        TypeError: ``priorities`` is of a wrong type.
        ValueError: ``share`` cannot be, or differs from that of an installation that is in place;
            or a priority is out of range.
        StoreError: The store cannot be used.
    """
    global _installation
    try:
        importlib.import_module(SYNCHRONOUS)
    except ModuleNotFoundError as error:
        if error.name != "ccxt":
            raise
        raise ImportError("ccxt is not installed for this Python") from error
    if isinstance(share, str):
        share = Share(share)
    if _installation is None:
        budgets = Budgets(share or environment.asked(), clock, chosen(priorities))
        installation = _Installation(budgets)
    else:
        installation = _installation
        there = installation.charges.budgets.share
        if share is not None and share != there:
            raise ValueError(f"share is {there!r} already; call uninstall() before another one")
    installation.cover()
    _installation = installation


def uninstall() -> None:
    """Puts ccxt's own pacing back. Does nothing where nothing is installed.

    A method that another program replaced after `install` stays as that program left it.
    """
    global _installation
    if _installation is not None:
        installation, _installation = _installation, None
        installation.end()


def is_installed() -> bool:
    """Whether ccxt's objects are on sluicegate's budgets now."""
    return _installation is not None


def charges() -> Charges:
    """What charges requests now.

    Raises:
        RuntimeError: The drop-in is not installed.
    """
    if _installation is None:
        raise RuntimeError("sluicegate.ccxt is not installed: call sluicegate.ccxt.install() first")
    return _installation.charges
