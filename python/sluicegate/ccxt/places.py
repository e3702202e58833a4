"""Where a request of ccxt goes: the host and path of its URL, which ccxt makes only when it signs.

A request waits before it is signed. So the first request of each of ccxt's endpoints is signed once
more, and thrown away, to see its URL; the others are known from it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Place(NamedTuple):
    """Host, and path with ccxt's `{names}`.

    Attributes:
        host: With the port, as in `127.0.0.1:8080`.
        path: Such as `/api/v3/orders/{id}`; empty if it is not known.
        is_seen: Whether ccxt could sign the request.
    """

    host: str
    path: str
    is_seen: bool


def base_of(exchange: Any, api: Any) -> object:
    """What ccxt has as the address of a section; a sandbox or a demo has another one."""
    found = exchange.urls.get("api") if exchange.urls else None
    if api.__class__ is str:
        if isinstance(found, dict):
            found = found.get(api, found)
    else:
        for name in api or ():
            if not isinstance(found, dict):
                break
            found = found.get(name, found)
    return found if isinstance(found, str) else id(found)


def place_of(exchange: Any, api: Any, method: str, path: str, params: Any) -> Place:
    """The place of a request.

    The host is that of the object's first address, and the path empty, where ccxt cannot sign the
    request: it will say why when it signs.
    """
    try:
        url = exchange.sign(path, api, method, _copied(params))["url"]
        parts = urlsplit(url)
    except Exception:
        # Without a key, without a parameter: ccxt raises the same when it signs the request itself.
        return Place(host_of(exchange), "", False)
    plain = exchange.implode_params(path, params) if isinstance(params, Mapping) else path
    at = parts.path.rfind(plain) if plain else -1
    whole = parts.path if at < 0 else parts.path[:at] + path + parts.path[at + len(plain) :]
    return Place(parts.netloc.rpartition("@")[2], whole, True)


def _copied(params: Any) -> Any:
    """What signing may change; it is signed again, as the user gave it."""
    try:
        return copy.deepcopy(params)
    except Exception:  # What cannot be copied deeply is of the user's own kind.
        return dict(params) if isinstance(params, Mapping) else params


def host_of(exchange: Any) -> str:
    """The host of an object's public requests, or of the first address that it has."""
    found = exchange.urls.get("api") if exchange.urls else None
    while isinstance(found, Mapping):
        found = found.get("public") or next(iter(found.values()), None)
    if not isinstance(found, str):
        return str(exchange.id)
    address = exchange.implode_hostname(found) if "{" in found else found
    return urlsplit(address).netloc.rpartition("@")[2] or str(exchange.id)
