"""`connector_of`: whose table a throttler keeps; bots with the same connector share its limits.

A throttler is given a table and nothing else, and a table does not tell whose it is: its ids are
paths that many exchanges have, and some depend on the trading pairs. So this looks at who makes the
throttler: a connector, which has a name of its own (``binance``, ``binance_us``); or another part
of Hummingbot, which has a package for each exchange.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

#: Who has such a base is a connector, and has a ``name``.
_CONNECTOR_BASES = frozenset(
    {"hummingbot.connector.exchange_py_base", "hummingbot.connector.connector_base"}
)
#: Below these, each exchange has a package.
_HOMES = ("hummingbot.connector.", "hummingbot.data_feed.")
#: These are for all exchanges.
_FOR_ALL = frozenset(
    {
        "hummingbot.connector",
        "hummingbot.connector.exchange",
        "hummingbot.connector.derivative",
        "hummingbot.connector.utilities",
        "hummingbot.connector.utilities.oms_connector",
        "hummingbot.data_feed",
        "hummingbot.data_feed.candles_feed",
        "hummingbot.data_feed.liquidations_feed",
    }
)


def connector_of(frame: FrameType | None) -> str:
    """The name of the connector that makes a throttler, or of what else it is that does.

    Args:
        frame: Where the throttler is made.
    """
    outside = None
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith("sluicegate."):
            name = _name_of(_owner(frame)) or _package(module)
            if name is not None:
                return name
            if outside is None and module.split(".")[0] != "hummingbot":
                outside = frame
        frame = frame.f_back
    return "hummingbot" if outside is None else _program_part(outside)


def connector_object(frame: FrameType | None) -> Any:
    """The connector that makes a throttler; ``None`` if it is something else that does.

    Args:
        frame: Where the throttler is made.
    """
    while frame is not None:
        owner = _owner(frame)
        if not isinstance(owner, type) and _is_connector(type(owner)):
            return owner
        frame = frame.f_back
    return None


def _is_connector(kind: type) -> bool:
    return any(base.__module__ in _CONNECTOR_BASES for base in kind.__mro__)


def _owner(frame: FrameType) -> Any:
    """The object or the class whose method runs; ``None`` in a function."""
    code = frame.f_code
    name = code.co_varnames[0] if code.co_argcount else None
    return frame.f_locals.get(name) if name in ("self", "cls") else None


def _name_of(owner: Any) -> str | None:
    if owner is None:
        return None
    kind = owner if isinstance(owner, type) else type(owner)
    if _is_connector(kind) and kind is not owner:
        try:
            name = owner.name
        except Exception:
            # It is made from what the connector has not got yet.
            name = None
        if isinstance(name, str) and name:
            return name
    return _package(kind.__module__)


def _package(module: str) -> str | None:
    """The package of one exchange that a module is in."""
    package = module.rpartition(".")[0]
    if not module.startswith(_HOMES) or package in _FOR_ALL:
        return None
    return package.rpartition(".")[2]


def _program_part(frame: FrameType) -> str:
    """The package or the module of a program's own code."""
    module = str(frame.f_globals.get("__package__") or frame.f_globals.get("__name__", ""))
    if module in ("", "__main__"):
        return Path(sys.argv[0]).stem or "python"
    return module
