"""`condition`: whether a request's parameters are those of an endpoint, made quick."""

from collections.abc import Callable

from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.request import Parameters


def condition(endpoint: Endpoint) -> Callable[[Parameters], bool] | None:
    """A function that says what `Endpoint.applies` says; None if it always applies.

    It is in the way of each request: most endpoints have one condition, for which there is a
    function of its own.
    """
    if not endpoint.is_conditional:
        return None
    few = len(endpoint.has) + len(endpoint.up_to) == 1
    if few and not endpoint.equals and not endpoint.items_up_to:
        name = next(iter((*endpoint.has, *endpoint.up_to)))
        if "." not in name:
            return _has(name) if endpoint.has else _up_to(name, endpoint.up_to[name], endpoint)
    return endpoint.applies


def _has(name: str) -> Callable[[Parameters], bool]:
    return lambda given: given.get(name) is not None


def _up_to(name: str, most: float, endpoint: Endpoint) -> Callable[[Parameters], bool]:
    def applies(given: Parameters) -> bool:
        value = given.get(name)
        if value is None:
            return True
        if type(value) is str and value.isdecimal() and len(value) < 16:
            return int(value) <= most
        if type(value) is int:
            return value <= most
        return endpoint.applies(given)

    return applies
