"""What an answer has: its headers in any case, and its body, read as little as it must be."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sluicegate.tables.route import Route
from sluicegate.tables.values import shown

LONGEST_BODY = 65_536
"""Longer bodies are not read: one that says why a request is refused is short."""

LONGEST_SUCCESS = 8_192
"""The same for statuses below 400: most are answers to what was asked, and may be large."""

HeaderGetter = Callable[[str], "str | None"]


class RawHeaders:
    """The headers of an answer as they came over the wire, read as little as they must be.

    Args:
        pairs: Names and values, as bytes.
    """

    __slots__ = ("_found",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Reads nothing yet."""
        self._found = {name.lower(): value for name, value in pairs}

    def get(self, name: str) -> str | None:
        """The value of the header with this name in lower case; None if there is none."""
        value = self._found.get(name.encode())
        return None if value is None else value.decode("latin-1")


def header_getter(headers: object) -> HeaderGetter:
    """A function that finds a header's value by its name in lower case; None if there is none.

    Args:
        headers: A mapping of any client, or pairs. Names and values may be bytes.
    """
    if type(headers) is RawHeaders:
        return headers.get
    if headers is None:
        return _nothing
    # httpx, aiohttp and requests have mappings that ignore case; a plain one must be made so.
    kind = type(headers)
    ignores = _IGNORE_CASE.get(kind)
    if ignores is None and isinstance(headers, Mapping) and not isinstance(headers, dict):
        ignores = _ignores_case(headers)
        if ignores is not None and len(_IGNORE_CASE) < 100:
            _IGNORE_CASE[kind] = ignores
    if ignores:
        find = headers.get  # type: ignore[attr-defined]
        return lambda name: _text(find(name))
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str | None] = {}
    try:
        for name, value in pairs:  # type: ignore[attr-defined]
            found.setdefault((_text(name) or "").lower(), _text(value))
    except (TypeError, ValueError):
        return _nothing
    return found.get


class Body:
    """The body of an answer: its text, its JSON, and fields of that.

    Args:
        body: Bytes, a text, what `json.loads` made of it, or None.
        status: The status of the answer.
    """

    __slots__ = ("_given", "_json", "_longest", "_text")

    def __init__(self, body: object, status: int = 400) -> None:
        """Reads nothing yet."""
        self._given = body
        self._longest = LONGEST_BODY if status >= 400 else LONGEST_SUCCESS
        self._text: str | None = None
        self._json: Any = _UNREAD

    @property
    def is_parsed(self) -> bool:
        """Whether it was given as what its JSON says."""
        return isinstance(self._given, Mapping | list)

    @property
    def text(self) -> str:
        """The text; empty if there is none, or if it is too long to be looked into."""
        if self._text is None:
            self._text = self._read()
        return self._text

    @property
    def json(self) -> Any:
        """What its JSON says; None if it is none."""
        if self._json is _UNREAD:
            if isinstance(self._given, Mapping | list):
                self._json = self._given
            else:
                self._json = _parsed(self.text)
        return self._json

    @property
    def items(self) -> int | None:
        """How many items its list has, or more; None if nobody can tell."""
        given = self._given
        if isinstance(given, list):
            return len(given)
        # Each item is an object. To count is much less than to read JSON: lists may be long.
        if isinstance(given, memoryview):
            given = bytes(given)
        if isinstance(given, str):
            return given.count("{") if given else None
        if isinstance(given, bytes | bytearray):
            return given.count(b"{") if given else None
        return None

    def values(self, field: str) -> list[str]:
        """The texts and numbers at a field. Dots go into objects, and into each item of a list."""
        found = [self.json]
        for name in field.split("."):
            inside = [item for value in found for item in _items(value)]
            found = [
                value[name] for value in inside if isinstance(value, Mapping) and name in value
            ]
        return [
            text for value in found for item in _items(value) if (text := _scalar(item)) is not None
        ]

    def _read(self) -> str:
        given = self._given
        if isinstance(given, str):
            return given if len(given) <= self._longest else ""
        if isinstance(given, bytes | bytearray | memoryview):
            return bytes(given).decode("utf-8", "replace") if len(given) <= self._longest else ""
        if isinstance(given, Mapping | list):
            try:
                text = json.dumps(given)
            except (TypeError, ValueError, RecursionError):
                return ""
            return text if len(text) <= self._longest else ""
        return ""


def check_throttler(throttler: object) -> None:
    """Refuse what nothing can be told.

    Raises:
        TypeError: It is no throttler.
    """
    if not hasattr(throttler, "observe"):
        raise TypeError(f"throttler must be a sluicegate.Throttler, got {shown(throttler)}")


def check_status(status: object) -> None:
    """Refuse what is no HTTP status.

    Raises:
        TypeError: It is no whole number.
    """
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"status must be an HTTP status such as 429, got {shown(status)}")


def check_arguments(
    throttler: object, status: object, limit_id: object, elapsed: object, route: object
) -> None:
    """Refuse arguments of `Table.listen` of a wrong type, before anything is done.

    Raises:
        TypeError: One has.
    """
    check_throttler(throttler)
    check_status(status)
    if limit_id is not None and not isinstance(limit_id, str):
        raise TypeError(f"limit_id must be a text or None, got {shown(limit_id)}")
    if elapsed is not None and not isinstance(elapsed, int | float):
        raise TypeError(f"elapsed must be seconds or None, got {shown(elapsed)}")
    if route is not None:
        check_route(route)


def check_route(route: object) -> None:
    """Refuse what no table has made.

    Raises:
        TypeError: It is no `Route`.
    """
    if not isinstance(route, Route):
        raise TypeError(f"route must be what Table.route returned, got {shown(route)}")


_UNREAD = object()


def _nothing(_name: str) -> str | None:
    return None


_IGNORE_CASE: dict[type, bool] = {dict: False}
"""Whether the mappings of a class ignore case."""


def _ignores_case(headers: Mapping[Any, Any]) -> bool | None:
    """Whether a mapping finds a header by a name in another case; None if it has none to try."""
    for name in headers:
        text = _text(name)
        if text and text.upper() != text.lower():
            return text.upper() in headers and text.lower() in headers
    return None


def _text(value: object) -> str | None:
    """A name or a value as a text; the first of a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return _text(value[0]) if value else None
    return _scalar(value)


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list | tuple):
        return None
    return shown(value)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
