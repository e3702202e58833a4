"""`CallPriorities`: which calls of an exchange object go first, if several wait."""

from __future__ import annotations

from sluicegate._priorities import BY_GROUP, Priorities, chosen, group_of_name
from sluicegate.exchange.names import EVERYTHING, Names, plain


class CallPriorities:
    """The priorities of an exchange object's calls, by the functions that they are calls of.

    Args:
        priorities: What the user says, by the names of functions.
        names: The functions of the object.

    Raises:
        TypeError: Neither words nor a switch, or a priority that is no whole number.
        ValueError: A priority out of range, or a name that stands for nothing.
    """

    def __init__(self, priorities: Priorities, names: Names) -> None:
        """Checks what the user says."""
        self._names = names
        self._chosen = chosen(priorities)
        self._words: dict[str, int] = {}
        if isinstance(self._chosen, bool):
            return
        for word, number in self._chosen.items():
            for function in names.read(word):
                if self._words.setdefault(function, number) != number:
                    raise ValueError(
                        f"priorities has {function!r} twice: {self._words[function]} and {number}; "
                        "names of one function have one priority"
                    )

    @property
    def said(self) -> Priorities:
        """What the user has said; later changes of it do not matter."""
        return self._chosen

    def of(self, method: str, *also: str) -> int:
        """The priority of a call of a method.

        Args:
            method: The method.
            also: What else it is a call of, such as ``Go``.
        """
        if self._chosen is False:
            return 0
        functions = self._names.functions(method)
        for name in (*functions, plain(method), *also, EVERYTHING):
            if name in self._words:
                return self._words[name]
        groups = (group_of_name(name) for name in (*functions, method))
        return BY_GROUP[next(filter(None, groups), "")]
