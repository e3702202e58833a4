"""`Refusal`, `Wait`: how an answer says that a limit is exceeded, and how long to wait."""

import re
from dataclasses import dataclass
from typing import get_args

from sluicegate.tables.told_time import TimeFormat
from sluicegate.tables.values import (
    HEADER,
    check_entries,
    check_text,
    check_texts,
    check_word,
    is_length,
    is_whole,
    shown,
)

MEANS = ("over", "banned", "overloaded")
"""What a refusal means: a limit is exceeded; nothing more is answered; it is not one's usage."""

PAUSES = ("limits", "address", "account", "all", "nothing")
"""What a refusal pauses."""

USUAL = {"over": "limits", "banned": "all", "overloaded": "nothing"}


def _pattern(what: str, text: str) -> "re.Pattern[str]":
    try:
        return re.compile(text)
    except (re.error, TypeError, RecursionError) as error:
        raise ValueError(
            f"{what} must be a regular expression: {error}, got {shown(text)}"
        ) from None


@dataclass(frozen=True, slots=True)
class Wait:
    """Where an answer says how long to wait, and in which format.

    Args:
        header: The name of a header.
        field: A field of the body, such as `error.data.retryAfter`.
        text: A regular expression that is searched in the body. Its first group is the time.
        format: How the time is written: `retry-after` (whole seconds or an HTTP date, as RFC 9110
            has it), `seconds` or `ms` (to go), `epoch-seconds`, `epoch-ms` or `http-date` (an
            instant of the server's clock).
        seconds: A fixed time, if the answer does not say one and the document does.

    Raises:
        ValueError: A value is not as above, or not exactly one place is given.
    """

    header: str = ""
    field: str = ""
    text: str = ""
    format: str = "retry-after"
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("header", "field", "text"):
            check_text(f"{name} of a wait", getattr(self, name))
        given = [name for name in ("header", "field", "text", "seconds") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "a wait needs one of header, field, text and seconds, "
                f"got {' and '.join(given) or 'none of them'}"
            )
        if self.seconds != 0 and not is_length(self.seconds):
            raise ValueError(
                f"seconds of a wait must be above 0 (and at most 100 years), "
                f"got {shown(self.seconds)}"
            )
        if self.header and not HEADER.fullmatch(self.header):
            raise ValueError(
                "header of a wait must be the name of an HTTP header such as 'Retry-After', "
                f"got {shown(self.header)}"
            )
        if self.text and _pattern("text of a wait", self.text).groups != 1:
            raise ValueError(
                f"text of a wait needs one group, such as '(\\d+)', got {shown(self.text)}"
            )
        check_word("format of a wait", self.format, get_args(TimeFormat))


RETRY_AFTER = Wait(header="Retry-After")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an answer looks like that refuses a request, and what it means.

    An answer is a refusal if all that is given here is so. The first refusal of a table that fits
    an answer stands.

    Args:
        means: `over` (a limit is exceeded), `banned` (nothing more is answered for a time) or
            `overloaded` (the exchange is, and this is not one's usage).
        status: The HTTP statuses. Without any, all: some exchanges refuse with HTTP 200.
        code: The codes in the body. Without any, all.
        field: The field of the body that has the code: by default the table's `code_field`. Dots
            go into objects, and into each item of a list.
        text: A regular expression that the body has somewhere. Case does not matter.
        lacks: Headers of which the answer has none.
        limits: The limits that are exceeded. By default all that the request takes from; `own` is
            the endpoint's own one.
        pauses: What is closed for the wait: `limits` (those above), all limits of an `address` or
            of an `account`, `all` requests, or `nothing`. By default `limits` if over, `all` if
            banned, `nothing` if overloaded.
        wait: Where it says how long to wait: the first that is there and can be read stands. If
            none is, the header `Retry-After` stands as RFC 9110 has it, with a status of 400 or
            more; and without one, limits that are exceeded count as full until their windows end.
        source: Where it is documented: a key of the table's `sources`.

    Raises:
        ValueError: A value is not as above.
    """

    means: str
    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    field: str = ""
    text: str = ""
    lacks: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    pauses: str = ""
    wait: tuple[Wait, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_word("means of a refusal", self.means, MEANS)
        if not isinstance(self.status, (list, tuple)) or not all(
            is_whole(status) and 100 <= status <= 599 for status in self.status
        ):
            raise ValueError(
                f"status of a refusal must be a list of HTTP statuses such as 429, "
                f"got {shown(self.status)}"
            )
        object.__setattr__(self, "status", tuple(self.status))
        codes = self.code
        if not isinstance(codes, (list, tuple)) or not all(
            isinstance(code, str) or is_whole(code) for code in codes
        ):
            raise ValueError(
                f"code of a refusal must be a list of codes such as '-1003', got {shown(codes)}"
            )
        object.__setattr__(self, "code", tuple(map(str, codes)))
        for name in ("lacks", "limits"):
            object.__setattr__(self, name, check_texts(f"{name} of a refusal", getattr(self, name)))
        check_text("field of a refusal", self.field)
        check_text("text of a refusal", self.text)
        _pattern("text of a refusal", self.text)
        if not (self.status or self.code or self.text):
            raise ValueError("a refusal needs a status, a code or a text, got none of them")
        check_word("pauses of a refusal", self.pauses or USUAL[self.means], PAUSES)
        object.__setattr__(self, "pauses", self.pauses or USUAL[self.means])
        object.__setattr__(self, "wait", check_entries("wait of a refusal", self.wait, Wait))

    @property
    def needs_body(self) -> bool:
        """Whether the body must be read to know whether an answer is this refusal."""
        return bool(self.code or self.text)


USUAL_REFUSALS = (
    Refusal("over", (429,), wait=(RETRY_AFTER,)),
    Refusal("banned", (418,), wait=(RETRY_AFTER,)),
)
"""What a table means that says nothing of refusals."""

STANDARD_REFUSALS = (
    *USUAL_REFUSALS,
    # RFC 9110 has Retry-After with 503. Without one, overload pauses nothing.
    Refusal("overloaded", (503,), pauses="all", wait=(RETRY_AFTER,)),
)
"""What an answer means that none of its table's refusals fits: every server may answer so."""
