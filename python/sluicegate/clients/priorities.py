"""What a user may say of who goes first: names that a table has, and paths that it may not know."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from sluicegate._priorities import closest, ends_of
from sluicegate.tables import Table
from sluicegate.tables.route import OTHER
from sluicegate.tables.values import shown


def check_words(words: Mapping[str, int], table: Table) -> None:
    """Checks that each word may be said of a request; see `said_of`.

    Warns of a path that the table does not know, but that looks like one that it has.

    Args:
        words: As `chosen` has them.
        table: What the requests are found in.

    Raises:
        ValueError: A word is no id of the table and no path. The message names the closest id.
    """
    known = {OTHER, *(endpoint.id for endpoint in table.endpoints)}
    for endpoint in table.endpoints:
        for end in ends_of(endpoint.path.rstrip("/")):
            known |= {end, f"{endpoint.method} {end}"}
    for word in words:
        if word in known or _id_of(word) in known:
            continue
        close = closest(word, known)
        hint = f"; did you mean {close!r}?" if close else ""
        text = f"priorities names {shown(word)}, which the table {table.name!r} does not have{hint}"
        method, _, path = word.rpartition(" ")
        if not path.startswith("/") or "?" in path or " " in method:
            raise ValueError(text)
        if close:
            warnings.warn(text, RuntimeWarning, stacklevel=5)


def _id_of(word: str) -> str:
    """The id of an entry of which a word names one of the ids that are made from requests."""
    return word.partition(" [")[0] if word.endswith("]") else word
