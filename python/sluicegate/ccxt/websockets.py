"""What connecting, subscribing and the requests of a WebSocket API are in a table.

In a table they are endpoints with the method ``WS``. The path is the host and ``connect`` for a new
connection, and the host and the operation for a message: ``/ws-api.binance.com/order.place``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

METHOD = "WS"
CONNECT = "connect"
#: Where messages of the exchanges name what they ask for.
_NAMES = ("method", "op", "event", "type", "action", "channel")


def operation(message: Any) -> tuple[str, Any]:
    """What a message asks for, and its parameters; an empty text if it says none."""
    if not isinstance(message, Mapping):
        return "", None
    name = next((message[key] for key in _NAMES if isinstance(message.get(key), str)), "")
    return name, message.get("params") or message.get("args")


def path_of(client: Any, name: str) -> str:
    """The host of a connection and an operation, as the path of an endpoint."""
    return f"/{urlsplit(client.url).hostname}/{name}"


def exchange_of(client: Any) -> Any:
    """The exchange object of a connection; ``None`` if it has none that is known."""
    return getattr(client.on_message_callback, "__self__", None)
