"""`LimitedExchange`: an exchange object with `IO`; what no rule limits is passed on unchanged."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from sluicegate._priorities import Priorities
from sluicegate.exchange.book import Book
from sluicegate.exchange.go import go
from sluicegate.exchange.limits import Call, Limits
from sluicegate.exchange.names import Names, closest
from sluicegate.exchange.priorities import CallPriorities
from sluicegate.exchange.rules import MODES, read_rule

_set = object.__setattr__


class LimitedExchange:
    """Any exchange object, with limits on its calls; see `sluicegate.exchange.limit`.

    Everything but `IO`, `Go` and `last_error` is the inner object's own. Calls that a rule covers
    are kept in this object's own dictionary, where Python finds them first; so a call without a
    rule costs what it costs through an empty proxy.
    """

    _inner: Any
    _limits: Limits
    _more: Mapping[str, str] | None
    _timezone: str | None

    def __init__(
        self,
        inner: Any,
        names: Mapping[str, str] | None,
        book: Book,
        hold: str,
        timezone: str | None,
        asynchronous: bool | None,
        refusal: type[Exception] | None,
        priorities: Priorities,
    ) -> None:
        """Made by `sluicegate.exchange.limit`."""
        _set(self, "_inner", inner)
        _set(self, "_timezone", timezone)
        _set(self, "_more", names)
        known = Names(inner, names)
        first = CallPriorities(priorities, known)
        limits = Limits(inner, known, book, hold, asynchronous, refusal, _Follower(self), first)
        _set(self, "_limits", limits)
        book.join(limits)

    # ---- what is added

    def IO(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Sets a rule, or calls ``IO`` of the inner object.

        ``IO("rate" | "quota", names, max_calls, period[, behavior])`` limits the named functions,
        together, to ``max_calls`` in each ``period``. If ``max_calls`` is ``None``, it removes the
        rule. ``IO("api", …)`` counts as ``IO/api``. Every other ``IO(…)`` does not count.

        Raises:
            TypeError: Too few arguments, or one has the wrong type. No rule has changed.
            ValueError: An argument has a wrong value. No rule has changed.
        """
        mode = kwargs.get("mode", args[0] if args else None)
        if mode == "api":
            return self._limits.io_api()(*args, **kwargs)
        if not (isinstance(mode, str) and mode in MODES) and not _looks_like_rule(mode, args):
            own = getattr(self._inner, "IO", None)
            if own is not None:
                return own(*args, **kwargs)
        if not args and "mode" not in kwargs:
            raise TypeError('IO needs a mode: write IO("rate", "GetTicker", 10, "1s")')
        rule = read_rule(self._limits.names, self._timezone, *args, **kwargs)
        self._limits.book.set(rule)
        return None

    def Go(self, name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Calls a function while the strategy goes on; see `sluicegate.exchange.go.go`."""
        return go(self._limits, name, *args, **kwargs)

    @property
    def last_error(self) -> str | None:
        """Why the latest call that was not sent was not; ``None`` if all were."""
        return self._limits.last_error

    # ---- what is passed through

    def __getattr__(self, name: str) -> Any:
        """The inner object's attribute."""
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Sets the inner object's attribute."""
        setattr(self._inner, name, value)

    def __delattr__(self, name: str) -> None:
        """Deletes the inner object's attribute."""
        delattr(self._inner, name)

    def __dir__(self) -> Iterator[str]:
        """The inner object's attributes, and those that are added."""
        return iter(sorted({*dir(self._inner), "IO", "Go", "last_error"}))

    def __copy__(self) -> LimitedExchange:
        """A copy of the inner object, under the same rules."""
        return self._with(copy.copy(self._inner))

    def __deepcopy__(self, memo: dict[int, Any]) -> LimitedExchange:
        """A deep copy of the inner object, under the same rules."""
        return self._with(copy.deepcopy(self._inner, memo))

    def _with(self, inner: Any) -> LimitedExchange:
        limits = self._limits
        hold = "response" if limits.holds else "start"
        options = (hold, self._timezone, limits.asynchronous, limits.refusal)
        return wrap(inner, self._more, limits.book, *options, limits.priorities.said)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refused: what a call is charged to belongs to this process."""
        raise TypeError("a limited exchange cannot be pickled: pickle the exchange, and limit it")


class _Follower:
    """Keeps the calls that are limited in a proxy's own dictionary."""

    def __init__(self, proxy: LimitedExchange) -> None:
        self._calls = _own_dict(proxy)
        self._names: set[str] = set()

    def __call__(self, calls: dict[str, Call]) -> None:
        for name in self._names - calls.keys():
            self._calls.pop(name, None)
        self._calls.update(calls)
        self._names = set(calls)


def _own_dict(proxy: LimitedExchange) -> dict[str, Any]:
    own: dict[str, Any] = LimitedExchange.__dict__["__dict__"].__get__(proxy)
    return own


def _looks_like_rule(mode: object, args: tuple[Any, ...]) -> bool:
    """Whether a mode that is none was meant as one; objects have modes of their own."""
    return (
        isinstance(mode, str)
        and closest(mode, MODES) is not None
        and len(args) in (4, 5)
        and isinstance(args[1], str)
        and isinstance(args[2], (int, float))
        and isinstance(args[3], str)
    )


# ---- what Python looks up in an object's class

_KEPT = {
    "__class__",
    "__class_getitem__",
    "__copy__",
    "__deepcopy__",
    "__del__",
    "__delattr__",
    "__dict__",
    "__dir__",
    "__getattr__",
    "__getattribute__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__init__",
    "__init_subclass__",
    "__new__",
    "__reduce__",
    "__reduce_ex__",
    "__setattr__",
    "__setstate__",
    "__sizeof__",
    "__slots__",
    "__subclasshook__",
    "__weakref__",
}
_CLASSES: WeakKeyDictionary[type, type[LimitedExchange]] = WeakKeyDictionary()


def wrap(
    inner: Any,
    names: Mapping[str, str] | None,
    book: Book,
    hold: str,
    timezone: str | None,
    asynchronous: bool | None,
    refusal: type[Exception] | None,
    priorities: Priorities = True,
) -> LimitedExchange:
    """An exchange object with limits, of a class that answers as the object's own does."""
    kind = _CLASSES.get(type(inner))
    if kind is None:
        kind = _CLASSES[type(inner)] = _class_for(type(inner))
    return kind(inner, names, book, hold, timezone, asynchronous, refusal, priorities)


def _class_for(kind: type) -> type[LimitedExchange]:
    special = {
        name: _forward(name)
        for name in dir(kind)
        if name.startswith("__")
        and name.endswith("__")
        and name not in _KEPT
        and callable(getattr(kind, name, None))
    }
    special["__class__"] = property(lambda self: type(self._inner))
    special["__dict__"] = property(lambda self: vars(self._inner))
    special["__doc__"] = kind.__doc__
    special["__module__"] = kind.__module__
    return type(f"Limited{kind.__name__}", (LimitedExchange,), special)


def _forward(name: str) -> Any:
    if name == "__aenter__":

        async def enter(self: LimitedExchange) -> Any:
            return _itself(self, await self._inner.__aenter__())

        return enter

    def forward(self: LimitedExchange, *args: Any, **kwargs: Any) -> Any:
        plain = (arg._inner if _is_limited(arg) else arg for arg in args)
        return _itself(self, getattr(self._inner, name)(*plain, **kwargs))

    return forward


def _is_limited(value: object) -> bool:
    return issubclass(type(value), LimitedExchange)


def _itself(proxy: LimitedExchange, value: Any) -> Any:
    """What an object gives of itself must not be a way around its limits."""
    return proxy if value is proxy._inner else value
