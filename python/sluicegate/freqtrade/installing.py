"""`install` and `uninstall`: replace methods of an installed Freqtrade, and restore them."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from sluicegate.ccxt import installing as ccxt

#: The versions that the tests have run.
KNOWN_VERSIONS = frozenset({"2026.9"})

#: What is put in the place of Freqtrade's own, by module and class.
_PLACES: dict[tuple[str, str], tuple[str, ...]] = {
    ("freqtrade.exchange.exchange", "Exchange"): ("__init__", "_init_ccxt", "get_rate", "close"),
    ("freqtrade.freqtradebot", "FreqtradeBot"): (
        "__init__",
        "startup",
        "process",
        "process_stopped",
        "cleanup",
    ),
    ("freqtrade.rpc.rpc", "RPC"): ("_rpc_trade_status", "_rpc_trade_statistics"),
    ("freqtrade.rpc.fiat_convert", "CryptoToFiatConverter"): ("__init__", "get_price"),
}


class _Installation:
    """One `install`, until its `uninstall`.

    Another program may replace a method after us and call ours from its own. What it put there
    stays, and ours, which it still calls, does from then on what Freqtrade's own does.
    """

    def __init__(self, own: dict[tuple[type, str], Callable[..., Any]], with_ccxt: bool) -> None:
        self._own = own
        self._with_ccxt = with_ccxt
        self._ours: dict[tuple[type, str], Callable[..., Any]] = {}
        self._ended = False

    def begin(self, hooks: Callable[..., Any]) -> None:
        ours = hooks({(owner.__name__, name): own for (owner, name), own in self._own.items()})
        for (owner, name), own in self._own.items():
            method = self._until_the_end(own, ours[owner.__name__, name])
            self._ours[owner, name] = method
            setattr(owner, name, method)

    def end(self) -> None:
        self._ended = True
        for (owner, name), method in self._ours.items():
            if getattr(owner, name, None) is method:
                setattr(owner, name, self._own[owner, name])
        if self._with_ccxt:
            ccxt.uninstall()

    def _until_the_end(
        self, own: Callable[..., Any], ours: Callable[..., Any]
    ) -> Callable[..., Any]:
        @wraps(own)
        def method(*args: Any, **kwargs: Any) -> Any:
            return (own if self._ended else ours)(*args, **kwargs)

        return method


_installation: _Installation | None = None
"""The present installation."""


def version() -> str | None:
    """The installed Freqtrade's version; ``None`` if it is not known."""
    try:
        return importlib.metadata.version("freqtrade")
    except importlib.metadata.PackageNotFoundError:
        return None


def install() -> None:
    """Puts sluicegate's rates, fiat prices and limits in place of Freqtrade's.

    It puts `sluicegate.ccxt` in place, too, if it is not yet: it hears what the exchange answers to
    the bot's ccxt objects, and a ban or a `Retry-After` holds all of them.

    Bots that exist already stay what they are: install before one is made. Backtesting, hyperopt
    and everything else but live and dry-run trading stay as they are, too. A second call does
    nothing new.

    Raises:
        ImportError: Freqtrade is not installed, or is too different from those that are known.
    """
    global _installation
    if _installation is not None:
        return
    found = version()
    own = {(owner, name): getattr(owner, name) for owner, name in _owners_and_names(found)}
    if found not in KNOWN_VERSIONS:
        warnings.warn(
            f"sluicegate was not tested with Freqtrade {found or '(no version)'}, but with "
            f"{', '.join(sorted(KNOWN_VERSIONS))}; its rate cache is in place all the same",
            RuntimeWarning,
            stacklevel=2,
        )
    from sluicegate.freqtrade.hooks import hooks

    installation = _Installation(own, with_ccxt=not ccxt.is_installed())
    ccxt.install()
    installation.begin(hooks)
    _installation = installation


def uninstall() -> None:
    """Puts Freqtrade's own methods back, and ends what runs in the background.

    Bots that exist go on with Freqtrade's own code. Does nothing where nothing is installed. A
    method that another program replaced after `install` stays as that program left it.
    """
    global _installation
    if _installation is None:
        return
    installation, _installation = _installation, None
    installation.end()
    from sluicegate.freqtrade.hooks import close_all

    close_all()


def _owners_and_names(found: str | None) -> list[tuple[type, str]]:
    places: list[tuple[type, str]] = []
    for (module, owner_name), names in _PLACES.items():
        try:
            owner = getattr(importlib.import_module(module), owner_name)
        except ModuleNotFoundError as error:
            if error.name == "freqtrade":
                raise ImportError("Freqtrade is not installed for this Python") from error
            if not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ImportError(f"Freqtrade {found} has no {module}") from error
        except AttributeError as error:
            raise ImportError(f"Freqtrade {found} has no {module}.{owner_name}") from error
        missing = [name for name in names if not callable(getattr(owner, name, None))]
        if missing:
            lacks = ", ".join(missing)
            raise ImportError(f"{module}.{owner_name} of Freqtrade {found} has no {lacks}")
        places.extend((owner, name) for name in names)
    return places
