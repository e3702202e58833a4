"""`BanRule`: after how many 429s a client is banned, and for how long."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from sluicegate.tables.values import is_length, is_number, is_whole, shown

MINUTE = 60.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class BanRule:
    """Answers 418 for a time to a client that collects too many 429s.

    Binance documents that "repeatedly violating rate limits and/or failing to back off after
    receiving 429s" is answered with a ban, and that bans grow "from 2 minutes to 3 days". How many
    429s it takes and how fast bans grow is not documented: `tolerated`, `within` and `growth` are
    this stand-in's choice.

    A request that arrives during a ban is answered 418; it does not count against a limit, and it
    makes the ban longer if `prolong` says so. Earlier bans are remembered until the exchange is
    reset.

    Args:
        tolerated: 429s within `within` seconds that are still forgiven; the next one starts a ban,
            and is answered 418 itself. 0 bans at the first request over a limit.
        within: Seconds over which 429s are counted, as a rolling window.
        first: Seconds of the first ban.
        longest: Seconds that no ban exceeds.
        growth: Each ban is this many times as long as the one before.
        prolong: Seconds by which each request that arrives during a ban moves its end, at most to
            `longest` from then. Kraken documents that its lockout lasts "longer if calls continue".

    Raises:
        ValueError: A value is negative, not finite, or a first ban is above the longest.
    """

    tolerated: int = 20
    within: float = MINUTE
    first: float = 2 * MINUTE
    longest: float = 3 * DAY
    growth: float = 2.0
    prolong: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not is_whole(self.tolerated) or self.tolerated < 0:
            raise ValueError(
                f"tolerated must be a whole number of 429s, 0 or more, got {shown(self.tolerated)}"
            )
        for name in ("within", "first", "longest"):
            seconds = getattr(self, name)
            if not is_length(seconds):
                raise ValueError(
                    f"{name} must be seconds above 0 (and at most 100 years), got {shown(seconds)}"
                )
        if self.first > self.longest:
            raise ValueError(
                f"first ({self.first!r} s) must be at most longest ({self.longest!r} s)"
            )
        if not is_number(self.growth) or self.growth < 1:
            raise ValueError(f"growth must be a number of at least 1, got {shown(self.growth)}")
        if self.prolong != 0 and not is_length(self.prolong):
            raise ValueError(
                f"prolong must be seconds of 0 or more (and at most 100 years), got "
                f"{shown(self.prolong)}"
            )

    def duration(self, earlier_bans: int) -> int:
        """Nanoseconds that a ban lasts after so many earlier ones."""
        if self.growth == 1 or earlier_bans == 0:
            return round(self.first * 1e9)
        # Compared as a count, because the power itself may be too large for a float.
        steps = math.log(self.longest / self.first, self.growth)
        if earlier_bans >= steps:
            return round(self.longest * 1e9)
        return round(self.first * self.growth**earlier_bans * 1e9)

    def scaled(self, factor: float) -> "BanRule":
        """The same rule where every time is `factor` as long."""
        return BanRule(
            self.tolerated,
            self.within * factor,
            self.first * factor,
            self.longest * factor,
            self.growth,
            self.prolong * factor,
        )

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the arguments."""
        return asdict(self)
