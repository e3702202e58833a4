"""`Heard`: what an answer said about limits, for a program that wants to try again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """What `Table.listen` found in an answer.

    Attributes:
        means: `ok`, `over` (a limit is exceeded), `banned` (nothing more is answered for a time) or
            `overloaded` (the exchange is, and this is not one's usage).
        wait: Seconds until another attempt may be answered, 1 s of margin included; None if the
            answer does not say. The throttler lets no request that it holds for pass before.
        limits: The ids of limits that were paused or count as full; empty if all requests were.
        limit_id: The id of the request.
        reason: What the answer said, in short; empty if it is `ok`.
    """

    means: str
    wait: float | None = None
    limits: tuple[str, ...] = ()
    limit_id: str = ""
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether the request was refused, and may be tried again later."""
        return self.means != "ok"
