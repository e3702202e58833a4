"""`Returned`: what a request costs by how many items its answer has."""

from dataclasses import dataclass

from sluicegate.tables.values import is_count, shown


@dataclass(frozen=True, slots=True)
class Returned:
    """What a request costs, on top, by how many items its answer has.

    That is known only afterwards. So what the largest answer costs is charged before, and
    `Table.listen` gives back what was too much (`Throttler.correct`).

    Args:
        per: 1 unit for each so many items, and for a part of them.
        most: The most items that an answer can have.

    Raises:
        ValueError: One of them is no whole number of at least 1.
    """

    per: int
    most: int

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("per", "most"):
            number = getattr(self, name)
            if not is_count(number):
                raise ValueError(
                    f"{name} must be a whole number of at least 1, got {shown(number)}"
                )

    def units(self, items: int) -> int:
        """What so many items cost."""
        return -(-items // self.per)

    @property
    def most_units(self) -> int:
        """What the largest answer costs."""
        return self.units(self.most)
