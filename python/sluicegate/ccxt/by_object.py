"""`ByObject`: what is kept of each exchange object, for as long as there is that object."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from weakref import ref

Value = TypeVar("Value")


class ByObject(Generic[Value]):
    """One value for each object. An object that is collected takes its value with it.

    It is asked at each request, and many times faster than a `weakref.WeakKeyDictionary`, which
    makes a reference for each question. Objects are told apart by what they are, not by what they
    are equal to: a copy of an exchange object has nothing here.
    """

    def __init__(self) -> None:
        """None yet."""
        self._kept: dict[int, tuple[ref[Any], Value]] = {}

    def get(self, owner: Any) -> Value | None:
        """What is kept of an object; ``None`` if there is nothing."""
        kept = self._kept.get(id(owner))
        # An address may be used again, by another object.
        return kept[1] if kept is not None and kept[0]() is owner else None

    def put(self, owner: Any, value: Value) -> Value:
        """Keeps a value in the place of the one before, and returns it."""
        key, known = id(owner), self._kept

        def forget(gone: ref[Any]) -> None:
            kept = known.get(key)
            if kept is not None and kept[0] is gone:
                del known[key]

        known[key] = ref(owner, forget), value
        return value
