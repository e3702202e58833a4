"""Where the facts of a table are from: `Source`; what it knows better than others: `Difference`."""

import re
from dataclasses import dataclass

from sluicegate.tables.values import check_texts, check_word, shown

DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """A page of an exchange's documents.

    Args:
        url: Its address.
        read: The day on which it was read, such as `2026-11-29`.
        copy: The month of the copy that was read, such as `2026-06`, if it is older.

    Raises:
        ValueError: A value is not as above.
    """

    url: str
    read: str
    copy: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.url, str) or not self.url.startswith(("https://", "http://")):
            raise ValueError(f"url of a source must begin with https://, got {shown(self.url)}")
        for name in ("read", "copy"):
            day = getattr(self, name)
            if not isinstance(day, str) or not (
                DATE.fullmatch(day) or (name == "copy" and not day)
            ):
                raise ValueError(
                    f"{name} of a source must be a day such as 2026-11-29, got {shown(day)}"
                )


@dataclass(frozen=True, slots=True)
class Difference:
    """What another program's table says otherwise, and who is right.

    Args:
        peer: `hummingbot` or `ccxt`.
        ids: The endpoints and limits, by their ids here; `*` stands for any characters.
        why: What the other says, who is right, and by which page.
        source: The page: a key of the table's `sources`.

    Raises:
        ValueError: A value is not as above.
    """

    peer: str
    ids: tuple[str, ...]
    why: str
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_word("peer of a difference", self.peer, ("hummingbot", "ccxt"))
        object.__setattr__(self, "ids", check_texts("ids of a difference", self.ids))
        if not self.ids:
            raise ValueError("ids of a difference must name an endpoint or a limit, got none")
        if not isinstance(self.why, str) or len(self.why) < 10:
            raise ValueError(
                f"why of a difference must be a sentence that says who is right, "
                f"got {shown(self.why)}"
            )
