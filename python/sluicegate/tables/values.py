"""Checks of the values that users give to tables and to the stand-in exchange, in any format."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, TypeVar

_Entry = TypeVar("_Entry")

LARGEST_COUNT = 2**63 - 1
"""The largest whole number: what 64 bits hold, so that any client can read it."""

LONGEST = 100 * 365 * 86_400.0
"""Seconds of 100 years: no length of time is longer, so that its nanoseconds can be computed."""

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of an HTTP header: what RFC 9110 calls a token."""


def is_count(value: object) -> TypeGuard[int]:
    """Whether this is a whole number from 1 to `LARGEST_COUNT`; True and False are none."""
    return is_whole(value) and 1 <= value <= LARGEST_COUNT


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a number that a float can hold, and neither infinite nor NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # An int beyond all floats.
        return False


def is_length(value: object) -> TypeGuard[float]:
    """Whether this is a length of time in seconds: above 0, and at most `LONGEST`."""
    return is_number(value) and 1e-9 <= value <= LONGEST


def shown(value: object) -> str:
    """A value as a message shows it: what is very long is cut in the middle."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write down an int of thousands of digits.
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:120]}…{text[-40:]}"


def check_switch(what: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ValueError: It is something else, such as "no", which Python would take for true.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be true or false, got {shown(value)}")


def check_names(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse names that are not known.

    Raises:
        ValueError: There is one; the message has it, and those that are known.
    """
    for name in given:
        if name not in known:
            takes = ", ".join(known) if known else "nothing"
            raise ValueError(f"{what} has no {shown(name)}: it takes {takes}")


def read_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is no JSON, is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply: use fewer brackets") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"the JSON must be UTF-8 text: {error}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error}") from None
    except ValueError:
        raise ValueError("the JSON has a number with too many digits") from None


def check_word(what: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse what is none of some words.

    Raises:
        ValueError: It is something else; the message has the words.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {shown(value)}")


def check_text(what: str, value: object) -> None:
    """Refuse what is no text.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a text, got {shown(value)}")


def check_entries(what: str, value: object, kind: type[_Entry]) -> tuple[_Entry, ...]:
    """The same list of objects of a class as a tuple.

    Raises:
        ValueError: It is no list, or has something else than these.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ValueError(f"{what} must be a list of {kind.__name__}, got {shown(value)}")
    entries = tuple(value)
    for entry in entries:
        if not isinstance(entry, kind):
            raise ValueError(f"{what} must be a list of {kind.__name__}, got {shown(entry)} in it")
    return entries


def check_by_name(what: str, value: object, kind: type) -> None:
    """Refuse what is no mapping from texts to objects of a class.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be {kind.__name__} by name, got {shown(value)}")
    for name, entry in value.items():
        if not isinstance(name, str) or not isinstance(entry, kind):
            raise ValueError(
                f"{what} must be {kind.__name__} by name, got {shown(name)}: {shown(entry)}"
            )


def check_texts(what: str, value: object) -> tuple[str, ...]:
    """The same list of texts as a tuple.

    Raises:
        ValueError: It is no list, or has something else than texts.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(x, str) for x in value):
        raise ValueError(f"{what} must be a list of names, got {shown(value)}")
    return tuple(value)
