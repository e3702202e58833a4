"""`foreign`: which requests come from a web page, and so must not steer the exchange.

A page that is open in a browser on the same machine can send requests to any port of the loopback
address. Two things tell them apart from those of a test or a script:

- `Origin`: a browser adds it to each request of a page that changes something. Only a page that the
  exchange itself had served could name the exchange there, and it serves none.
- `Host`: the page of a site whose name was made to point at this machine ("DNS rebinding") sends
  the name of that site. Such a name has a dot in it. Addresses, `localhost` and the names of
  containers have none, or are no names.
"""

import ipaddress
from collections.abc import Mapping


def foreign(headers: Mapping[str, str]) -> str | None:
    """Why a request with these headers is refused; None if it is not."""
    host = headers.get("Host", "")
    if host and not _is_ours(_name(host)):
        return (
            f"the Host header names {host!r}: steer the stand-in exchange by its address, "
            "such as 127.0.0.1, or by a name without a dot, such as localhost"
        )
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return (
            f"the Origin header is {origin!r}: web pages must not steer the stand-in exchange; "
            "send the request from a program, without this header"
        )
    return None


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_ours(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name
    return True
