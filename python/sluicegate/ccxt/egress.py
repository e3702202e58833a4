"""Where a request comes from, and for whom: what an exchange counts together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

#: The attributes of an exchange object that name a proxy, as text or as a function.
DECIDE_ABOUT_EGRESS = (
    "proxyUrl",
    "proxy_url",
    "proxy",
    "httpProxy",
    "http_proxy",
    "httpsProxy",
    "https_proxy",
    "socksProxy",
    "socks_proxy",
    "aiohttp_proxy",
    "proxies",
    "proxyUrlCallback",
    "proxy_url_callback",
    "httpProxyCallback",
    "http_proxy_callback",
    "httpsProxyCallback",
    "https_proxy_callback",
    "socksProxyCallback",
    "socks_proxy_callback",
)
#: Those that tell whose requests it makes.
DECIDE_ABOUT_ACCOUNT = ("apiKey", "walletAddress", "uid", "privateKey", "accountId", "login")
#: Where the user's own names stand in the options of an exchange object.
OPTION = "sluicegate"


def egress_of(exchange: Any) -> str:
    """The proxy that an exchange object uses now; empty for none.

    A function that chooses a proxy for each request is one egress of its own, and so is a method,
    for all objects that have it: which proxies it chooses, nobody can know before.
    """
    for name in DECIDE_ABOUT_EGRESS:
        proxy = getattr(exchange, name, None)
        if proxy:
            return _name_of(name, proxy)
    return ""


def account_of(exchange: Any) -> str:
    """The account of an exchange object: the name that the user gave, or a digest of its key.

    Two keys of one account cannot be known to be of one: the user names the account, with
    ``options={"sluicegate": {"account": "main"}}``. Empty without a key: nobody's requests.

    Raises:
        TypeError: The option is no dictionary.
    """
    named = _named(exchange)
    if named and named.get("account"):
        return str(named["account"])
    for name in DECIDE_ABOUT_ACCOUNT:
        key = getattr(exchange, name, None)
        if key:
            return _digest(str(key))
    return ""


def tier_of(exchange: Any) -> str:
    """The tier of an object's account, as its exchange calls it; empty for the lowest.

    The user says it, with ``options={"sluicegate": {"tier": "pro"}}``.

    Raises:
        TypeError: The option is no dictionary.
    """
    named = _named(exchange)
    return str(named.get("tier") or "") if named else ""


def _named(exchange: Any) -> Mapping[str, Any] | None:
    """What the user says to sluicegate in the options of an object."""
    named: Any = exchange.options.get(OPTION) if exchange.options else None
    if named and not isinstance(named, Mapping):
        raise TypeError(
            f'the option "{OPTION}" must be a dictionary, as {{"account": "main"}}, not {named!r}'
        )
    return named or None


def _name_of(name: str, proxy: Any) -> str:
    if isinstance(proxy, str):
        return proxy
    if isinstance(proxy, dict):
        return " ".join(sorted({str(address) for address in proxy.values()}))
    return f"{name} {function_id(proxy):x}"


def function_id(function: Any) -> int:
    """The same for each look at a method, which Python makes anew each time.

    A method is one for all objects that have it: they may choose the same proxies.
    """
    return id(getattr(function, "__func__", function))


@lru_cache(maxsize=1024)
def _digest(key: str) -> str:
    """A name for a key that does not tell the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]
