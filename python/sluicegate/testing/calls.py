"""`CallLog`: which requests the exchange answered, as counts of all and a log of the latest."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluicegate.tables.values import read_json, shown

CAPACITY = 10_000
"""Most calls that the log keeps: enough for a test, and bounded for a server that runs for days."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the exchange saw it.

    Attributes:
        method: `GET`, `POST`, ….
        path: Its path, such as `/api/v3/ticker/24hr`.
        query: Its query; of a name that is there twice, the last value.
        at: Seconds from the first request (since the exchange started or was reset) until this one
            counted.
        status: The status that it was answered; None when its connection was dropped.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(hash=False)
    at: float
    status: int | None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that it asked for, by `symbol` or `symbols`; none when it asked for all."""
        if "symbol" in self.query:
            return (self.query["symbol"],)
        try:
            return read_symbols(self.query.get("symbols", "[]"))
        except ValueError:
            return ()

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the attributes."""
        return asdict(self)


class CallLog:
    """Counts calls by method and path, and keeps the latest.

    Args:
        capacity: Most calls that it keeps; older ones are dropped, and still counted.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """A log with nothing in it."""
        self._calls: deque[Call] = deque(maxlen=capacity)
        self._counts: Counter[str] = Counter()
        self._failed = 0
        self._origin: int | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many calls there were, by `METHOD path`."""
        return dict(self._counts)

    @property
    def failed(self) -> int:
        """How many calls were made to fail."""
        return self._failed

    def record(
        self,
        now: int,
        method: str,
        path: str,
        query: Mapping[str, str],
        status: int | None,
        *,
        failed: bool = False,
    ) -> None:
        """Write down a request that counted at `now` (nanoseconds), and its answer's status."""
        if self._origin is None:
            self._origin = now
        self._counts[f"{method} {path}"] += 1
        self._failed += failed
        self._calls.append(Call(method, path, dict(query), (now - self._origin) / 1e9, status))

    def calls(self, path: str | None = None) -> list[Call]:
        """The calls in the log, oldest answer first; only those of one path if it is given."""
        return [call for call in self._calls if path is None or call.path == path]

    def clear(self) -> None:
        """Empty the log. Counts stay, and so does the instant that `at` is counted from."""
        self._calls.clear()


def read_symbols(text: str) -> tuple[str, ...]:
    """The names in a `symbols` parameter, which is a JSON list such as `["BTCUSDT","ETHUSDT"]`.

    Raises:
        ValueError: It is no such list.
    """
    names = read_json(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"symbols must be a JSON list of names, got {shown(text)}")
    return tuple(names)
