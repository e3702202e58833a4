"""Where a request of ccxt goes: the host and path of its URL, which ccxt makes only when it signs.

A request waits before it is signed. So the first request of each of ccxt's endpoints is signed once
more, and thrown away, to see its URL; the others are known from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sluicegate.ccxt.by_object import ByObject

#: By (method, path of ccxt, section).
_Known = dict[tuple[str, str, str], "Place"]


class Place:
    """Host, and path with ccxt's `{names}`.

    Attributes:
        base: What ccxt had as the address of the section.
        host: With the port, as in `127.0.0.1:8080`.
        path: Such as `/api/v3/orders/{id}`.
        is_template: Whether it has such names.
    """

    __slots__ = ("base", "host", "is_template", "path")

    def __init__(self, base: object, host: str, path: str) -> None:
        """A place that was seen."""
        self.base = base
        self.host = host
        self.path = path
        self.is_template = "{" in path

    def path_for(self, exchange: Any, params: Any) -> str:
        """The path with parameters in the place of ccxt's names."""
        if not self.is_template or not isinstance(params, Mapping):
            return self.path
        path: str = exchange.implode_params(self.path, params)
        return path


class Places:
    """The places that were seen, for each exchange object."""

    def __init__(self) -> None:
        """None yet."""
        self._known: ByObject[_Known] = ByObject()

    def of(self, exchange: Any, api: Any, method: str, path: str, params: Any) -> Place:
        """The place of a request.

        The host is that of the object's first address, and the path empty, where ccxt cannot sign
        the request: it will say why when it signs.
        """
        section = api if isinstance(api, str) else ".".join(map(str, api or ()))
        known = self._known.get(exchange)
        if known is None:
            known = self._known.put(exchange, {})
        base = base_of(exchange, api)
        place = known.get((method, path, section))
        if place is None or place.base != base:
            place = _seen(exchange, api, method, path, params, base)
            known[method, path, section] = place
        return place


def base_of(exchange: Any, api: Any) -> object:
    """The address of a section; a sandbox, a demo or another hostname has another one."""
    found = exchange.urls.get("api")
    for name in (api,) if isinstance(api, str) else api or ():
        if not isinstance(found, Mapping):
            break
        found = found.get(name, found)
    return (found if isinstance(found, str) else id(found), exchange.hostname)


def _seen(exchange: Any, api: Any, method: str, path: str, params: Any, base: object) -> Place:
    try:
        url = exchange.sign(path, api, method, params)["url"]
        parts = urlsplit(url)
    except Exception:
        # Without a key, without a parameter: ccxt raises the same when it signs the request itself.
        return Place(None, host_of(exchange), "")
    plain = exchange.implode_params(path, params) if isinstance(params, Mapping) else path
    at = parts.path.rfind(plain) if plain else -1
    whole = parts.path if at < 0 else parts.path[:at] + path + parts.path[at + len(plain) :]
    return Place(base, parts.netloc.rpartition("@")[2], whole)


def host_of(exchange: Any) -> str:
    """The host of an object's public requests, or of the first address that it has."""
    found = exchange.urls.get("api")
    while isinstance(found, Mapping):
        found = found.get("public") or next(iter(found.values()), None)
    if not isinstance(found, str):
        return str(exchange.id)
    address = exchange.implode_hostname(found) if "{" in found else found
    return urlsplit(address).netloc.rpartition("@")[2] or str(exchange.id)
