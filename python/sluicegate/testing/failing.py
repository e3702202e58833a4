"""`Failing`: which requests an exchange in trouble fails, and how."""

import random

from sluicegate.tables.values import check_switch, is_count, is_number, is_whole, shown


class Failing:
    """Picks requests to fail: all, a share of them, or each n-th.

    Args:
        share: The share of the requests to fail, above 0 and at most 1, drawn for each on its own.
        every: Fail each n-th request: with 3, the third, the sixth, …. With neither, all fail.
        status: What they are answered: 500 to 599; 503 by default.
        drop: Close their connections with no answer, instead.
        overload: Answer that the exchange is overloaded, instead, in its own words and without the
            headers that tell what is used. That is not the client's usage: it may ask again.
        paths: Only requests for these paths fail, or are counted for `every`; all if it is empty.
        seed: The same seed draws the same ones of a share; None draws others each time.

    Raises:
        ValueError: A value cannot be, or both a share and `every` are given, or `overload` and
            another answer.
    """

    def __init__(
        self,
        *,
        share: float | None = None,
        every: int | None = None,
        status: int | None = None,
        drop: bool = False,
        overload: bool = False,
        paths: tuple[str, ...] | list[str] = (),
        seed: int | None = None,
    ) -> None:
        """What to fail from now on."""
        if share is not None and every is not None:
            raise ValueError(
                f"give share or every, not both: got {shown(share)} and {shown(every)}"
            )
        if share is not None and not (is_number(share) and 0 < share <= 1):
            raise ValueError(f"share must be above 0 and at most 1, got {shown(share)}")
        if every is not None and not is_count(every):
            raise ValueError(f"every must be a whole number of at least 1, got {shown(every)}")
        if status is not None and not (is_count(status) and 500 <= status <= 599):
            raise ValueError(f"status must be from 500 to 599, got {shown(status)}")
        check_switch("drop", drop)
        check_switch("overload", overload)
        if overload and (drop or status is not None):
            raise ValueError(
                "give overload alone, without drop and status: what an overloaded exchange answers "
                f"follows from its table, got drop {shown(drop)} and status {shown(status)}"
            )
        if not isinstance(paths, (list, tuple)):
            raise ValueError(f'paths must be a list such as ["/api/v3/depth"], got {shown(paths)}')
        for path in paths:
            if not isinstance(path, str) or not path.startswith("/"):
                raise ValueError(f"paths must begin with '/', got {shown(path)}")
        if seed is not None and not is_whole(seed):
            raise ValueError(f"seed must be a whole number, or left out, got {shown(seed)}")
        self.status = None if drop else status or 503
        """The status to answer; None to drop the connection."""
        self.overload = overload
        """Whether to answer as an exchange that is overloaded."""
        self._share = 1.0 if share is None else share
        self._every = 1 if every is None else every
        self._paths = frozenset(paths)
        self._random = random.Random(seed)  # noqa: S311 - nothing is kept secret with it
        self._count = 0

    def picks(self, path: str) -> bool:
        """Whether the next request, which is for this path, fails."""
        if self._paths and path not in self._paths:
            return False
        self._count += 1
        return self._count % self._every == 0 and self._random.random() < self._share
