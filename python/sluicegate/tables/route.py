"""`Router`: which endpoint a request is, which limits it takes from, and how many units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sluicegate.tables.endpoint import OWN, Endpoint
from sluicegate.tables.limit import Limit
from sluicegate.tables.request import (
    NONE,
    Parameters,
    items_of,
    parameters,
    path_of,
    plain_path,
    text_of,
    value_of,
)

OTHER = "*"
"""The id of requests to paths that the table does not have."""

LONGEST_KEY = 100
"""Characters of a key's value that an id keeps."""


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
        self._several_hosts = any(endpoint.host for endpoint in endpoints)
        self.other = Route(
            OTHER, None, {name: (self._limits[name], n) for name, n in default_weights.items()}
        )
        self._static = {endpoint.id: self._build(endpoint, NONE) for endpoint in endpoints}
        self._exact: dict[tuple[str, str], list[Endpoint]] = {}
        self._loose: dict[tuple[str, str], list[Endpoint]] = {}
        self._templates: dict[tuple[str, int], list[tuple[list[str | None], list[Endpoint]]]] = {}
        for endpoint in endpoints:
            if "{" in endpoint.path:
                self._add_template(endpoint)
            else:
                self._exact.setdefault((endpoint.method, endpoint.path), []).append(endpoint)
                loose = (endpoint.method, plain_path(endpoint.path).lower())
                self._loose.setdefault(loose, []).append(endpoint)
        # What needs no look at the request's parameters: one entry, with no condition and no key.
        self._plain = {
            key: self._static[found[0].id]
            for key, found in self._exact.items()
            if not found[0].is_conditional and not found[0].host and not self._is_dynamic(found[0])
        }

    def route(self, method: str, url: str, query: object = None) -> Route:
        """The route of a request; that of `OTHER` if no entry applies."""
        if not self._several_hosts:
            plain = self._plain.get((method, url))
            if plain is not None:
                return plain
        endpoint, given = self._find(method, url, query)
        if endpoint is None:
            return self.other
        if not self._is_dynamic(endpoint):
            return self._static[endpoint.id]
        return self._build(endpoint, parameters(given))

    def endpoint(self, method: str, url: str, query: object = None) -> Endpoint | None:
        """The entry that a request is; None if none applies."""
        return self._find(method, url, query)[0]

    def static(self, endpoint: Endpoint) -> Route:
        """The route of a request of this endpoint that has none of the keys."""
        return self._static[endpoint.id]

    def _find(self, method: str, url: str, query: object) -> tuple[Endpoint | None, object]:
        entries = None if self._several_hosts else self._exact.get((method, url))
        host = ""
        if entries is None:
            method = method.upper()
            if not url.startswith("/"):
                host = _host(url)
            path, of_url = path_of(url)
            if query is None and of_url:
                query = of_url
            elif of_url:
                query = {**parameters(of_url), **parameters(query)}
            entries = self._entries(method, path)
        given: Parameters | None = None
        for endpoint in entries:
            if endpoint.host and host in self._hosts and endpoint.host.lower() != host:
                continue
            if endpoint.is_conditional:
                if given is None:
                    given = parameters(query)
                if not endpoint.applies(given):
                    continue
            return endpoint, query if given is None else given
        return None, NONE

    def _entries(self, method: str, path: str) -> list[Endpoint]:
        found = self._exact.get((method, path))
        if found is not None:
            return found
        path = plain_path(path)
        found = self._exact.get((method, path)) or self._loose.get((method, path.lower()))
        if found is not None:
            return found
        segments = path.split("/")
        for pattern, entries in self._templates.get((method, len(segments)), ()):
            if all(
                wanted is None or wanted == segment.lower()
                for wanted, segment in zip(pattern, segments, strict=True)
            ):
                return entries
        return []

    def _add_template(self, endpoint: Endpoint) -> None:
        segments = plain_path(endpoint.path).split("/")
        pattern = [None if "{" in segment else segment.lower() for segment in segments]
        templates = self._templates.setdefault((endpoint.method, len(segments)), [])
        for known, entries in templates:
            if known == pattern:
                entries.append(endpoint)
                return
        templates.append((pattern, [endpoint]))
        # Those with more fixed segments first: `/orders/open` before `/orders/{id}`.
        templates.sort(key=lambda entry: sum(segment is None for segment in entry[0]))

    def _is_dynamic(self, endpoint: Endpoint) -> bool:
        return bool(
            endpoint.each
            or endpoint.key
            or any(self._limits[name].key for name in endpoint.weights)
        )

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
                values.append(" ".join(text[:LONGEST_KEY].upper().split()))
                break
    return ",".join(values)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
