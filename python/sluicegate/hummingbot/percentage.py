"""`limits_share_percentage`: what it is, and what it cannot be."""

from __future__ import annotations

import warnings
from decimal import Decimal, InvalidOperation


def part_of(percentage: Decimal | float | None) -> Decimal:
    """A percentage as a part of 1.

    Args:
        percentage: The percentage; ``None`` is 100.

    Raises:
        ValueError: It is not over 0.
    """
    must = f"limits_share_percentage must be a percentage over 0 or None, not {percentage!r}"
    try:
        share = Decimal(str(percentage or 100)) / 100
        if share > 0:
            return share
    except InvalidOperation:
        raise ValueError(must) from None
    raise ValueError(must)


def warn_of_small(share: Decimal, percentage: Decimal | float | None) -> None:
    """Warns of a percentage that looks like a part of 1.

    Args:
        share: What it is as a part of 1.
        percentage: The percentage, as it was given.
    """
    if share < Decimal("0.01"):
        warnings.warn(
            f"limits_share_percentage={percentage} is less than one percent; for a share of "
            f"{percentage}, write {Decimal(str(percentage)) * 100}",
            RuntimeWarning,
            stacklevel=4,
        )
