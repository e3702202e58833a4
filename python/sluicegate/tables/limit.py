"""`Limit`: at most so many units of a kind of window, and what tells them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sluicegate.tables.header import Header
from sluicegate.tables.interval import interval_label
from sluicegate.tables.values import (
    HEADER,
    check_by_name,
    check_entries,
    check_texts,
    check_word,
    is_count,
    is_length,
    shown,
)

KINDS = ("rolling", "fixed", "first", "bucket", "concurrent")
"""Kinds of limits. What each counts is told by `Limit`."""

SCOPES = ("address", "account", "key")
"""Whose requests a limit counts together."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A limit for accounts of one tier (a VIP level, a verification level).

    Args:
        limit: Units; at least 1.
        interval: Length of the window in seconds; None is the same as of the limit itself.

    Raises:
        ValueError: A value is not as above.
    """

    limit: int
    interval: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_size("a tier", self.limit, 1.0 if self.interval is None else self.interval, "rolling")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many units in any window of a length.

    Args:
        name: What endpoints, statistics and the client's table call it.
        limit: Units that any window may hold; at least 1.
        interval: Length of the window, in seconds. A `concurrent` limit has none: 0.
        header: Response header with the units in the window. By default as Binance names it:
            `X-MBX-USED-WEIGHT-1M` for a minute, `X-MBX-ORDER-COUNT-10S` for ten seconds if the name
            begins with `ORDERS`; none for lengths that are not whole seconds, and none if there
            are `headers`. `""` sends none.
        kind: `rolling`, the default, counts in every window of that length. `fixed` counts in
            windows that begin at multiples of the interval of the server's UTC clock. `first`
            counts in a window that its first request opens. `bucket` is a counter that falls by
            `limit / interval` a second and may not exceed `limit`. `concurrent` counts requests
            that are not answered yet.
        scope: Whose requests are counted together: those of an IP `address`, of an `account` (the
            default) or of an API `key`.
        key: Parameters of a request, such as `symbol`: each value of them has a count of its own.
            The first of several that the request has stands, if one of them is written `a|b`.
        headers: The headers that tell how much is used, left or allowed, and until when.
        tiers: The limit for accounts of other tiers, by name of the tier. The limit itself is that
            of the lowest.
        source: Where it is documented: a key of the table's `sources`.

    Raises:
        ValueError: A value is not as above.
    """

    name: str
    limit: int
    interval: float
    header: str | None = None
    kind: str = "rolling"
    scope: str = "account"
    key: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a limit's name must be a text that is not empty, got {self.name!r}")
        what = repr(self.name)
        check_word(f"kind of {what}", self.kind, KINDS)
        check_word(f"scope of {what}", self.scope, SCOPES)
        check_size(what, self.limit, self.interval, self.kind)
        header = self.header
        if header not in (None, "") and not (isinstance(header, str) and HEADER.fullmatch(header)):
            raise ValueError(
                f"header of {self.name!r} must be the name of an HTTP header such as "
                "'X-Used-Weight' (with no space, colon or line break), or '' for none, "
                f"got {shown(header)}"
            )
        object.__setattr__(self, "key", check_texts(f"key of {what}", self.key))
        headers = check_entries(f"headers of {what}", self.headers, Header)
        object.__setattr__(self, "headers", headers)
        check_by_name(f"tiers of {what}", self.tiers, Tier)

    @property
    def header_name(self) -> str | None:
        """The response header with the units in the window; None when there is none."""
        if self.header is not None:
            return self.header or None
        if self.headers:
            return next((x.name for x in self.headers if x.tells == "used"), None)
        label = interval_label(self.interval)
        if label is None:
            return None
        kind = "ORDER-COUNT" if self.name.startswith("ORDERS") else "USED-WEIGHT"
        return f"X-MBX-{kind}-{label}"

    @property
    def told_by(self) -> tuple[Header, ...]:
        """All headers that tell something of it: `headers`, and the one named by `header`."""
        if self.headers or self.header_name is None:
            return self.headers
        return (Header(self.header_name),)

    def at(self, tier: str) -> "Limit":
        """The same limit for accounts of a tier; itself if it has no such tier."""
        if tier not in self.tiers:
            return self
        other = self.tiers[tier]
        length = self.interval if other.interval is None else other.interval
        return replace(self, limit=other.limit, interval=length, header=self._header_for(length))

    def scaled(self, factor: float) -> "Limit":
        """The same limit with a window that is `factor` as long, and headers of the same names."""
        tiers = {
            name: Tier(tier.limit, None if tier.interval is None else tier.interval * factor)
            for name, tier in self.tiers.items()
        }
        length = self.interval * factor
        return replace(self, interval=length, header=self._header_for(length), tiers=tiers)

    def _header_for(self, interval: float) -> str | None:
        """What `header` must be for the name to stay as it is with another interval."""
        if self.header is not None or self.headers or interval == self.interval:
            return self.header
        return self.header_name or ""


def check_size(what: str, limit: object, interval: object, kind: object) -> None:
    """Refuse a limit or an interval that cannot be.

    Raises:
        ValueError: The limit is no whole number of at least 1, or the interval no length.
    """
    if not is_count(limit):
        raise ValueError(
            f"limit of {what} must be a whole number of at least 1 (and at most "
            f"2**63 - 1), got {shown(limit)}"
        )
    if kind == "concurrent":
        if interval != 0 or isinstance(interval, bool):
            raise ValueError(
                f"interval of {what} must be 0, because a concurrent limit has none, "
                f"got {shown(interval)}"
            )
    elif not is_length(interval):
        raise ValueError(
            f"interval of {what} must be seconds above 0 (and at most 100 years), "
            f"got {shown(interval)}"
        )
