"""`Endpoint`: what a request costs, by its method, path and parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sluicegate.tables.limit import KINDS, SCOPES, Limit, Tier, check_size
from sluicegate.tables.request import items_of, text_of, value_of
from sluicegate.tables.returned import Returned
from sluicegate.tables.values import (
    check_by_name,
    check_switch,
    check_texts,
    check_word,
    is_count,
    is_number,
    shown,
)

GROUPS = ("market", "account", "order", "cancel")
"""What endpoints are for: market data, one's account, new and changed orders, cancels."""

OWN = "own"
"""What `each` calls the endpoint's own limit."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a request costs, by its method, path and parameters.

    Parameters are those of the query and, where the exchange takes them there, of the body. Dots in
    their names go into objects, as in `action.type`.

    Args:
        method: `GET`, `POST`, …
        path: The path, such as `/api/v3/depth`. `{name}` stands for any one segment, as in
            `/orders/{id}`.
        weights: Units by name of limit. A limit that is not named is not touched.
        id: What the client's table calls it. By default `METHOD path`, and what decides between
            several entries of one path: `GET /api/v3/depth?limit<=100`.
        has: Parameters that must be there for this entry to apply.
        up_to: The most that these numeric parameters may be for this entry to apply. A parameter
            that is missing (the exchange has a default, then) or is no number applies.
        equals: What parameters must be for this entry to apply: a text, or a list of texts of which
            one must be it. Case does not matter.
        items_up_to: The most items that these parameters may have for this entry to apply. Items
            are those of a list, or separated by commas.
        each: Units by name of limit for each item of a parameter, on top of `weights`. The
            parameter `""` is the body itself, if it is a list. The limit `own` is the endpoint's
            own one; a request takes 1 of it if no `each` names it.
        returned: Units by name of limit for the items of the answer, on top of `weights` (see
            `Returned`).
        group: `market`, `account`, `order` or `cancel`; `""` is none of these.
        limit: The endpoint's own limit, in requests or in items (see `each`); 0 is none.
        interval: Length of the window of its own limit, in seconds.
        kind: The kind of its own limit (see `Limit`).
        scope: Whose requests its own limit counts together (see `Limit`).
        key: Parameters, each value of which has an own limit of its own (see `Limit`).
        tiers: Its own limit for accounts of other tiers (see `Limit`).
        host: Only requests to this host are this entry's, of two entries with one path. Requests
            to hosts that the table does not name, such as a proxy, are so, too.
        ignore_headers: Whether the headers of its answers tell wrong numbers, as the exchange
            itself says of some.
        source: Where it is documented: a key of the table's `sources`.

    Raises:
        ValueError: A value is not as above.
    """

    method: str
    path: str
    weights: Mapping[str, int] = field(default_factory=dict)
    id: str = ""
    has: tuple[str, ...] = ()
    up_to: Mapping[str, int] = field(default_factory=dict)
    equals: Mapping[str, Any] = field(default_factory=dict)
    items_up_to: Mapping[str, int] = field(default_factory=dict)
    each: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    returned: Mapping[str, Returned] = field(default_factory=dict)
    group: str = ""
    limit: int = 0
    interval: float = 0.0
    kind: str = "rolling"
    scope: str = "account"
    key: tuple[str, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    host: str = ""
    ignore_headers: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        method, path = self.method, self.path
        if not (isinstance(method, str) and method.isascii() and method.isalpha()):
            raise ValueError(f"method must be a word such as 'GET', got {shown(method)}")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"path must begin with '/', got {shown(path)}")
        if "?" in path:
            raise ValueError(
                f"path must be without a query, got {shown(path)}: use has and up_to for a query"
            )
        if not isinstance(self.id, str):
            raise ValueError(f"id of {method} {path} must be a text, got {shown(self.id)}")
        object.__setattr__(self, "method", method.upper())
        what = repr(self.id or f"{self.method} {path}")
        for name in ("weights", "up_to", "equals", "items_up_to", "each", "returned", "tiers"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(
                    f"{name} of {what} must be numbers by name, got {shown(getattr(self, name))}"
                )
        check_by_name(f"returned of {what}", self.returned, Returned)
        check_by_name(f"tiers of {what}", self.tiers, Tier)
        object.__setattr__(self, "has", check_texts(f"has of {what}", self.has))
        object.__setattr__(self, "key", check_texts(f"key of {what}", self.key))
        self._check_conditions(what)
        self._check_units(what, self.weights)
        for name, units in self.each.items():
            if not isinstance(units, Mapping):
                raise ValueError(
                    f"each of {what} on {name!r} must be units by name of limit, got {shown(units)}"
                )
            self._check_units(what, units)
        check_word(f"group of {what}", self.group, ("", *GROUPS))
        check_word(f"kind of {what}", self.kind, KINDS)
        check_word(f"scope of {what}", self.scope, SCOPES)
        if self.limit != 0 or isinstance(self.limit, bool):
            check_size(what, self.limit, self.interval, self.kind)
        elif (
            self.interval != 0
            or self.key
            or self.tiers
            or any(OWN in x for x in self.each.values())
        ):
            raise ValueError(f"{what} has no limit of its own: give it a limit and an interval")
        check_switch(f"ignore_headers of {what}", self.ignore_headers)
        if not isinstance(self.host, str) or "/" in self.host:
            raise ValueError(
                f"host of {what} must be a name such as 'api.x.com', got {shown(self.host)}"
            )
        named = self.id or f"{self.method} {self.host}{path}{self._variant()}"
        object.__setattr__(self, "id", named)

    def applies(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a request to this method and path with these parameters is this entry's."""
        # Plain loops, because this is in the way of each request.
        for name in self.has:
            if value_of(parameters, name) is None:
                return False
        for name, most in self.up_to.items():
            if _number(value_of(parameters, name), most) > most:
                return False
        for name, wanted in self.equals.items():
            if not _is_one(value_of(parameters, name), wanted):
                return False
        for name, most in self.items_up_to.items():
            if len(items_of(value_of(parameters, name))) > most:
                return False
        return True

    @property
    def is_conditional(self) -> bool:
        """Whether the parameters decide if it applies."""
        return bool(self.has or self.up_to or self.equals or self.items_up_to)

    @property
    def own(self) -> Limit | None:
        """Its own limit, under its id; None if it has none."""
        if not self.limit:
            return None
        return Limit(
            self.id,
            self.limit,
            self.interval,
            "",
            self.kind,
            self.scope,
            self.key,
            tiers=self.tiers,
            source=self.source,
        )

    def at(self, tier: str) -> "Endpoint":
        """The same endpoint for accounts of a tier; itself if its own limit has no such tier."""
        own = self.own
        if own is None or tier not in self.tiers:
            return self
        other = own.at(tier)
        return replace(self, limit=other.limit, interval=other.interval)

    def scaled(self, factor: float) -> "Endpoint":
        """The same endpoint with an own window that is `factor` as long."""
        own = self.own
        if own is None:
            return self
        scaled = own.scaled(factor)
        return replace(self, interval=scaled.interval, tiers=scaled.tiers)

    def _check_conditions(self, what: str) -> None:
        for name in ("up_to", "items_up_to"):
            for parameter, most in getattr(self, name).items():
                if not is_number(most):
                    raise ValueError(
                        f"{name} of {what} on {parameter!r} must be a number, got {shown(most)}"
                    )
        for parameter, wanted in self.equals.items():
            texts = [wanted] if isinstance(wanted, str) else wanted
            if not isinstance(texts, (list, tuple)) or not all(isinstance(x, str) for x in texts):
                raise ValueError(
                    f"equals of {what} on {parameter!r} must be a text or a list of texts, "
                    f"got {shown(wanted)}"
                )

    def _check_units(self, what: str, weights: Mapping[str, int]) -> None:
        for name, units in weights.items():
            if not is_count(units):
                raise ValueError(
                    f"weight of {what} on {name!r} must be a whole number of at least 1, "
                    f"got {shown(units)}; leave the limit out if the request takes none of it"
                )

    def _variant(self) -> str:
        """What tells this entry from others of its path."""
        conditions = [
            *self.has,
            *(f"{name}<={most}" for name, most in self.up_to.items()),
            *(
                f"{name}={wanted if isinstance(wanted, str) else '|'.join(wanted)}"
                for name, wanted in self.equals.items()
            ),
            *(f"items({name})<={most}" for name, most in self.items_up_to.items()),
        ]
        return f"?{'&'.join(conditions)}" if conditions else ""


def _number(value: object, otherwise: float) -> float:
    """The number that a parameter holds; `otherwise` if it is missing or holds none."""
    text = text_of(value)
    try:
        number = float(text) if text is not None else otherwise
    except (ValueError, OverflowError):
        return otherwise
    return otherwise if math.isnan(number) else number


def _is_one(value: object, wanted: object) -> bool:
    text = text_of(value)
    if text is None:
        return False
    texts = [wanted] if isinstance(wanted, str) else wanted
    return text.lower() in [x.lower() for x in texts]  # type: ignore[attr-defined]
