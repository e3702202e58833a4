"""`UnusedWords`: what a user says of who goes first, and that names no request."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sluicegate._fork_lock import ForkLock
from sluicegate._priorities import closest, ends_of

PATIENCE = 60.0
"""Seconds after the first names are known: by then a program has made all that it asks with."""


class UnusedWords:
    """Warns once of words that name nothing, when all names should be known.

    A word may be for an exchange that the program uses later. So nobody knows at once that it is
    misspelt: the warning comes with a request a minute after the first names, or at the end of the
    program.

    Args:
        words: As `chosen` has them.
        warn: Is called with the one text.
        clock: For tests.
    """

    def __init__(
        self,
        words: Mapping[str, int],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """No name is known yet."""
        self._left = set(words)
        self._warn = warn
        self._clock = clock
        self._known: set[str] = set()
        self._due: float | None = None
        self._lock = ForkLock()

    def know(self, ids: Iterable[str] = (), endpoints: Iterable[tuple[str, str]] = ()) -> None:
        """Some names are known from now on.

        Args:
            ids: Names that are said as they are.
            endpoints: Method and path; without a method, words of any method may be for it.
        """
        names = set(ids)
        methods = {word.partition(" ")[0] for word in self._left if " " in word}
        for method, path in endpoints:
            said = {method} if method else methods
            for end in ends_of(path.rstrip("/")):
                names |= {end, *(f"{one} {end}" for one in said)}
        with self._lock:
            self._known |= names
            self._left -= names
            if self._left and self._due is None:
                self._due = self._clock() + PATIENCE
                atexit.register(self.tell)

    def look(self) -> None:
        """Warns, if it is time and there is anything to warn of."""
        if self._due is not None and self._clock() >= self._due:
            self.tell()

    def tell(self) -> None:
        """Warns of what is not known by now. Nothing is told twice, and nothing of no name."""
        with self._lock:
            if self._due is None:
                return
            left, self._left, self._due = sorted(self._left), set(), None
            known = sorted(self._known)
        atexit.unregister(self.tell)
        if left:
            # At the end of a program, what would hear of it may be gone.
            with suppress(Exception):
                self._warn(_text(left, known))


def _text(words: list[str], known: list[str]) -> str:
    shown = []
    for word in words:
        close = closest(word, known)
        shown.append(f"{word!r} (did you mean {close!r}?)" if close else repr(word))
    example = next((name for name in known if name.startswith("/")), "")
    hint = f"; a path or the end of one names requests, such as {example!r}" if example else ""
    return (
        f"priorities has words that name no request, and change nothing: {', '.join(shown)}{hint}"
    )
