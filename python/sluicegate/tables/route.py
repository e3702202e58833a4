"""`Router`: which endpoint a request is, which limits it takes from, and how many units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.tables.condition import condition
from sluicegate.tables.endpoint import OWN, Endpoint
from sluicegate.tables.limit import Limit
from sluicegate.tables.request import (
    NONE,
    Parameters,
    items_of,
    merged,
    parameters,
    plain_path,
    split_url,
    text_of,
    value_of,
)
from sluicegate.tables.values import shown

OTHER = "*"
"""The id of requests to paths that the table does not have."""

LONGEST_KEY = 100
"""Characters of a key's value that an id keeps."""

MOST_ASKED = 1_000
"""Paths with their queries whose routes are kept."""

LONGEST_ASKED = 200
"""Characters of a path with its query that is kept: most longer ones are signed, and come once."""

MOST_MADE = 10_000
"""Routes that are kept of those that were made for a request."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request's id, and what it takes from which limits.

    Args:
        id: What a throttler is asked for.
        endpoint: The entry of the table; None for a path that it does not have.
        takes: The limits by their ids, with what each is and the units. Of a limit with a key, the
            id has the key's value, as in `ORDERS [BTC-USDT]`.
        own: The id of the endpoint's own limit; `""` if it has none.
        made: Whether the id was made for this request, so that a throttler may not have it yet.
    """

    id: str
    endpoint: Endpoint | None
    takes: Mapping[str, tuple[Limit, int]]
    own: str = ""
    made: bool = False


class _Entry:
    """One endpoint, with what a request's parameters decide made quick."""

    __slots__ = ("_counts", "_keys", "applies", "endpoint", "host", "is_dynamic", "static")

    def __init__(self, endpoint: Endpoint, static: Route, limits: Mapping[str, Limit]) -> None:
        self.endpoint, self.static = endpoint, static
        self.host = endpoint.host.lower()
        self.applies = condition(endpoint)
        weighed = (*endpoint.weights, *endpoint.returned)
        keys = [limits[name].key for name in weighed] + [endpoint.key]
        in_items = [limits[x].key for units in endpoint.each.values() for x in units if x != OWN]
        self._keys = tuple(name for key in keys for name in key)
        # The keys of items are many, and differ from one to the next.
        keyed_items = any(in_items) or bool(endpoint.each and endpoint.key)
        self._counts = None if keyed_items else tuple(endpoint.each)
        self.is_dynamic = bool(self._keys or endpoint.each)

    def key_of(self, given: Parameters) -> tuple[object, ...] | None:
        """What of the parameters decides about the route; None if that is not quick to say."""
        if self._counts is None or "" in given:
            return None
        key: list[object] = [self.endpoint.id]
        for names in self._keys:
            value = given.get(names)
            if value is None and ("|" in names or "." in names):
                return None
            if value is not None and not isinstance(value, str):
                return None
            key.append(value)
        for name in self._counts:
            key.append(len(items_of(value_of(given, name))))
        return tuple(key)


class Router:
    """Finds the route of a request.

    Args:
        limits: The table's limits.
        endpoints: The table's endpoints.
        default_weights: Units of requests to other paths.
        hosts: The hosts that the table knows.
    """

    def __init__(
        self,
        limits: tuple[Limit, ...],
        endpoints: tuple[Endpoint, ...],
        default_weights: Mapping[str, int],
        hosts: tuple[str, ...],
    ) -> None:
        """Sorts the endpoints by method, path and number of segments."""
        self._limits = {limit.name: limit for limit in limits}
        self._hosts = {host.lower() for host in hosts}
        self._hosts.update(endpoint.host.lower() for endpoint in endpoints if endpoint.host)
        self.needs_host = any(endpoint.host for endpoint in endpoints)
        """Whether the host of a URL decides about some requests."""
        self.other = Route(
            OTHER, None, {name: (self._limits[name], n) for name, n in default_weights.items()}
        )
        self._static = {endpoint.id: self._build(endpoint, NONE) for endpoint in endpoints}
        self._made: dict[tuple[object, ...], Route] = {}
        self._exact: dict[tuple[str, str], list[_Entry]] = {}
        self._loose: dict[tuple[str, str], list[_Entry]] = {}
        self._templates: dict[tuple[str, int], list[tuple[list[str | None], list[_Entry]]]] = {}
        for endpoint in endpoints:
            entry = _Entry(endpoint, self._static[endpoint.id], self._limits)
            if "{" in endpoint.path:
                self._add_template(entry)
            else:
                self._exact.setdefault((endpoint.method, endpoint.path), []).append(entry)
                loose = (endpoint.method, plain_path(endpoint.path).lower())
                self._loose.setdefault(loose, []).append(entry)
        self._asked: dict[tuple[str, str], Route] = {}
        # What needs no look at the request's parameters: one entry, with no condition and no key.
        self._plain = {
            key: found[0].static
            for key, found in self._exact.items()
            if found[0].applies is None and not found[0].host and not found[0].is_dynamic
        }

    def route(self, method: str, url: str, query: object = None) -> Route:
        """The route of a request; that of `OTHER` if no entry applies."""
        try:
            plain = self._plain.get((method, url))
        except TypeError:  # A list or a mapping.
            raise _wrong(method, url) from None
        if plain is not None:
            return plain
        if query is None and type(url) is str and len(url) <= LONGEST_ASKED:
            # Bots ask for the same things again and again.
            asked = self._asked.get((method, url))
            if asked is None:
                asked = self._plain.get((method, url.partition("?")[0]))
                if asked is None:
                    asked = self._route(method, url, None)
                    if len(self._asked) >= MOST_ASKED:
                        self._asked.clear()
                    self._asked[method, url] = asked
            return asked
        return self._route(method, url, query)

    def _route(self, method: str, url: str, query: object) -> Route:
        entry, given = self._find(method, url, query)
        if entry is None:
            return self.other
        if not entry.is_dynamic:
            return entry.static
        parameters_ = parameters(given)
        key = entry.key_of(parameters_)
        if key is None:
            return self._build(entry.endpoint, parameters_)
        route = self._made.get(key)
        if route is None:
            route = self._build(entry.endpoint, parameters_)
            if len(self._made) >= MOST_MADE:
                self._made.clear()
            self._made[key] = route
        return route

    def endpoint(self, method: str, url: str, query: object = None) -> Endpoint | None:
        """The entry that a request is; None if none applies."""
        entry = self._find(method, url, query)[0]
        return None if entry is None else entry.endpoint

    def static(self, endpoint: Endpoint) -> Route:
        """The route of a request of this endpoint that has none of the keys."""
        return self._static[endpoint.id]

    def _find(self, method: str, url: str, query: object) -> tuple["_Entry | None", object]:
        try:
            entries = self._exact.get((method, url))
        except TypeError:
            raise _wrong(method, url) from None
        host = ""
        if entries is None:
            if not isinstance(method, str) or not isinstance(url, str):
                method, url = _as_texts(method, url)
            host, path, of_url = split_url(url)
            if of_url:
                query = of_url if query is None else merged(of_url, query)
            entries = self._entries(method.upper(), path)
        given: Parameters | None = None
        for entry in entries:
            if entry.host and host in self._hosts and entry.host != host:
                continue
            if entry.applies is not None:
                if given is None:
                    given = parameters(query)
                if not entry.applies(given):
                    continue
            return entry, query if given is None else given
        return None, NONE

    def _entries(self, method: str, path: str) -> "list[_Entry]":
        found = self._exact.get((method, path))
        if found is not None:
            return found
        path = plain_path(path)
        found = self._exact.get((method, path)) or self._loose.get((method, path.lower()))
        if found is not None:
            return found
        segments = path.split("/")
        for pattern, entries in self._templates.get((method, len(segments)), ()):
            for wanted, segment in zip(pattern, segments, strict=True):
                if wanted is not None and wanted != segment and wanted != segment.lower():
                    break
            else:
                return entries
        return []

    def _add_template(self, entry: "_Entry") -> None:
        segments = plain_path(entry.endpoint.path).split("/")
        pattern = [None if "{" in segment else segment.lower() for segment in segments]
        templates = self._templates.setdefault((entry.endpoint.method, len(segments)), [])
        for known, entries in templates:
            if known == pattern:
                entries.append(entry)
                return
        templates.append((pattern, [entry]))
        # Those with more fixed segments first: `/orders/open` before `/orders/{id}`.
        templates.sort(key=lambda template: sum(segment is None for segment in template[0]))

    def _build(self, endpoint: Endpoint, given: Parameters) -> Route:
        takes: dict[str, tuple[Limit, int]] = {}
        items_by_key: dict[str, dict[str, int]] = {}
        own = endpoint.own

        def take(name: str, units: int, item: object, items: int) -> None:
            limit = own if name == OWN and own is not None else self._limits[name]
            value = _key_value(limit.key, given, item)
            limit_id = f"{limit.name} [{value}]" if value else limit.name
            so_far = takes[limit_id][1] if limit_id in takes else 0
            # A request above the limit could never pass. If the exchange takes it, it takes it all.
            takes[limit_id] = (limit, min(so_far + units, limit.limit))
            if value or items:
                counted = items_by_key.setdefault(limit.name, {})
                counted[value] = counted.get(value, 0) + items

        for name, units in endpoint.weights.items():
            take(name, units, None, 0)
        for name, items in endpoint.returned.items():
            take(name, items.most_units, None, 0)
        counted_by_item = {name for weights in endpoint.each.values() for name in weights}
        if own is not None and OWN not in counted_by_item:
            take(OWN, 1, None, 0)
        for parameter, weights in endpoint.each.items():
            # A request without items is refused by the exchange, after it counted it.
            for item in items_of(value_of(given, parameter)) or [None]:
                for name, units in weights.items():
                    take(name, units, item, 1)
        name = endpoint.id + _suffix(items_by_key)
        return Route(
            name,
            endpoint,
            takes,
            own="" if own is None else _own_id(own, takes),
            made=name != endpoint.id,
        )


def _as_texts(method: object, url: object) -> tuple[str, str]:
    """A method and a URL as texts: clients have classes of their own for URLs."""
    texts = [
        x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in (method, url)
    ]
    is_url = isinstance(url, str | bytes) or texts[1].startswith("/") or "://" in texts[1]
    if not isinstance(method, str | bytes) or not is_url or isinstance(url, tuple):
        raise _wrong(method, url)
    return texts[0], texts[1]


def _wrong(method: object, url: object) -> TypeError:
    """What is said of a method or a URL that is none."""
    if not isinstance(method, str | bytes):
        return TypeError(f"method must be a text such as 'GET', got {shown(method)}")
    return TypeError(f"path must be a text such as '/api/v3/depth', or a URL, got {shown(url)}")


def _suffix(items_by_key: Mapping[str, Mapping[str, int]]) -> str:
    """What an id has of the keys and the numbers of items: ` [BTC-USDT x2, ETH-USDT]`.

    Two requests of one endpoint that take different units must have different ids.
    """
    groups = [
        ", ".join(
            f"{value} x{n}".strip() if n > 1 or (n == 0 and any(counted.values())) else value
            for value, n in counted.items()
        )
        for counted in items_by_key.values()
    ]
    if len(set(groups)) == 1:
        groups = groups[:1]
    shown = "; ".join(groups).strip("; ")
    return f" [{shown}]" if shown else ""


def _own_id(own: Limit, takes: Mapping[str, tuple[Limit, int]]) -> str:
    return next((name for name, (limit, _) in takes.items() if limit.name == own.name), own.name)


def _key_value(key: tuple[str, ...], given: Parameters, item: object) -> str:
    """The values of the parameters that are a limit's key; `""` if the request has none."""
    if not key:
        return ""
    values = []
    for names in key:
        for name in names.split("|"):
            value: Any = item.get(name) if isinstance(item, Mapping) else None
            if value is None:
                value = value_of(given, name)
            if value is None and "" in given:
                # A body that is a list of one kind of thing.
                first = next((x for x in given[""] if isinstance(x, Mapping)), {})
                value = first.get(name)
            text = text_of(value)
            if text:
                # Without what separates keys in an id, so that two of them never look like one.
                values.append("".join(text[:LONGEST_KEY].upper().replace("|", "_").split()))
                break
    return "|".join(values)
