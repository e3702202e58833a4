"""What of a request decides about its cost: its path, and its parameters by name."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

Parameters = Mapping[str, Any]
"""Parameters by name. Of a list in the body, it is the one parameter `""`."""

NONE: Parameters = {}
LONGEST_BODY = 1_000_000
"""Longer bodies of requests are not read: no exchange takes parameters of this size."""


MOST_FIELDS = 10_000
"""More parameters of one request are not read."""


def parameters(query: object) -> Parameters:
    """Parameters by name, in whatever form they are given.

    Args:
        query: A mapping; a query string or a body (JSON or a form) as text or bytes; a list, as
            the body of a batch; or None. What cannot be read has no parameters.
    """
    if query is None:
        return NONE
    if isinstance(query, Mapping):
        return query
    if isinstance(query, bytes | bytearray | memoryview):
        query = bytes(query[:LONGEST_BODY]).decode("utf-8", "replace")
    if isinstance(query, str):
        return _from_text(query)
    if isinstance(query, list | tuple):
        if query and all(_is_pair(pair) for pair in query):
            return _grouped(query)
        return {"": list(query)}
    return NONE


def merged(*parts: object) -> Parameters:
    """The parameters of a query and of a body together; the earlier one stands."""
    found: dict[str, Any] = {}
    for part in parts:
        for name, value in parameters(part).items():
            found.setdefault(name, value)
    return found


def value_of(given: Parameters, name: str) -> Any:
    """A parameter by its name, in which dots go into objects: `action.type`; None if missing."""
    value = given.get(name)
    if value is None and "." in name:
        value = given
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def split_url(url: str) -> tuple[str, str, str]:
    """Host, path and query of a URL; no host of a path that may have a query or a fragment."""
    url = url.partition("#")[0]
    url, _, query = url.partition("?")
    if url.startswith("/"):
        return "", url, query
    # Some programs write `api/v3/depth`.
    _, scheme, rest = url.partition("://")
    if not scheme:
        return "", f"/{url}", query
    place, slash, path = rest.partition("/")
    return _host(place), slash + path, query


def plain_path(path: str) -> str:
    """A path without percent-encoding, doubled slashes, and a slash at the end."""
    if "%" in path:
        path = unquote(path)
    while "//" in path:
        path = path.replace("//", "/")
    return path.rstrip("/") or "/"


def text_of(value: object) -> str | None:
    """A parameter as a text, as it stands in a query; None if it is a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return text_of(value[0]) if len(value) == 1 else None
    if value is None or isinstance(value, Mapping):
        return None
    try:
        return str(value)
    except ValueError:  # A number of thousands of digits.
        return None


def items_of(value: object) -> list[Any]:
    """The items of a parameter: a list, a JSON list as text, or texts with commas between them."""
    if isinstance(value, list | tuple):
        return items_of(value[0]) if len(value) == 1 and isinstance(value[0], str) else list(value)
    text = text_of(value)
    if text is None or not text.strip():
        return []
    if text.lstrip().startswith("["):
        found = _json(text)
        if isinstance(found, list):
            return found
    return [item for item in text.strip("[] ").split(",") if item.strip()]


def _host(place: str) -> str:
    """The host of `user@host:port`."""
    host = place.rpartition("@")[2].lower()
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0]


def _from_text(text: str) -> Parameters:
    text = text.strip()
    if text[:1] in ("{", "["):
        found = _json(text)
        if isinstance(found, Mapping):
            return found
        return {"": found} if isinstance(found, list) else NONE
    pairs = []
    for part in text.removeprefix("?").split("&", MOST_FIELDS)[:MOST_FIELDS]:
        name, _, value = part.partition("=")
        if name:
            pairs.append((_decoded(name), _decoded(value)))
    return _grouped(pairs)


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def _grouped(pairs: Iterable[Any]) -> Parameters:
    """A name that is there several times, as some write a list, has a list as its value."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
