"""Times as servers write them: seconds, milliseconds, instants, HTTP dates, `Retry-After`."""

import math
import re
from datetime import timezone
from functools import lru_cache
from typing import Literal

TimeFormat = Literal["seconds", "ms", "epoch-seconds", "epoch-ms", "http-date", "retry-after"]
"""How a time is written. `retry-after` is what RFC 9110 allows: whole seconds, or an HTTP date."""

WRITTEN = {
    "retry-after": "a number of seconds or a date",
    "seconds": "a number of seconds",
    "ms": "a number of milliseconds",
    "epoch-seconds": "a time in seconds since 1970",
    "epoch-ms": "a time in milliseconds since 1970",
    "http-date": "a date",
}
"""The formats, as a message has them."""

NUMBER = re.compile(r"\s*([+-]?\d{1,18}(?:\.\d{1,9})?)\s*", re.ASCII)
"""A decimal number; `float` alone would take `1_000`, `nan` and digits of other scripts, too."""


def told_number(text: object) -> float | None:
    """The number that a header or a field of a body holds; None if it holds none."""
    if isinstance(text, bool):
        return None
    if isinstance(text, int | float):
        try:
            number = float(text)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if not isinstance(text, str):
        return None
    found = NUMBER.fullmatch(text)
    return float(found[1]) if found else None


def told_instant(text: object, form: str) -> float | None:
    """Seconds since 1970 of the server's clock, if the format tells an instant and it can be read.

    None for a format that tells a length, and for a text that is not of the format.
    """
    if form in ("http-date", "retry-after"):
        return _date(text)
    number = told_number(text)
    if number is None:
        return None
    if form == "epoch-seconds":
        return number
    if form == "epoch-ms":
        return number / 1e3
    return None


def told_length(text: object, form: str) -> float | None:
    """Seconds to go, if the format tells a length and it can be read."""
    if form not in ("seconds", "ms", "retry-after"):
        return None
    number = told_number(text)
    if number is None:
        return None
    return number / 1e3 if form == "ms" else number


def _date(text: object) -> float | None:
    return _http_date(text) if isinstance(text, str) and len(text) <= 64 else None


# An answer's date is that of the answers before, mostly: there is one each second.
@lru_cache(maxsize=16)
def _http_date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # It imports much, and most need none of it.

    try:
        told = parsedate_to_datetime(text.strip())
        return (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
