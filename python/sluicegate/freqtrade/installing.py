"""Putting the drop-in inside an installed Freqtrade, and taking it out again."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from typing import Any

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

_originals: dict[tuple[type, str], Any] = {}
"""(class, method) → Freqtrade's own, while the drop-in is installed."""


def version() -> str | None:
    """The installed Freqtrade's version; ``None`` where it cannot be told."""
    try:
        return importlib.metadata.version("freqtrade")
    except importlib.metadata.PackageNotFoundError:
        return None


def install() -> None:
    """Puts sluicegate's rates, fiat prices and limits in place of Freqtrade's.

    Bots that exist already stay what they are: install before one is made. Backtesting, hyperopt
    and everything else but live and dry-run trading stay as they are, too. A second call does
    nothing new.

    Raises:
        ImportError: Freqtrade is not installed, or is too different from those that are known.
    """
    if _originals:
        return
    found = version()
    originals = {(owner, name): getattr(owner, name) for owner, name in _owners_and_names(found)}
    if found not in KNOWN_VERSIONS:
        warnings.warn(
            f"sluicegate does not know Freqtrade {found or '(no version)'}, and puts its rate "
            f"cache in place all the same; tried: {', '.join(sorted(KNOWN_VERSIONS))}",
            RuntimeWarning,
            stacklevel=2,
        )
    from sluicegate.freqtrade.hooks import hooks

    ours = hooks({(owner.__name__, name): method for (owner, name), method in originals.items()})
    _originals.update(originals)
    for owner, name in originals:
        setattr(owner, name, ours[owner.__name__, name])


def uninstall() -> None:
    """Puts Freqtrade's own methods back, and ends what runs in the background.

    Bots that exist go on with Freqtrade's own code. Does nothing where nothing is installed.
    """
    if not _originals:
        return
    for (owner, name), method in _originals.items():
        setattr(owner, name, method)
    _originals.clear()
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
