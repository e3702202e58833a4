"""`StandsFor`: the base of our classes that Hummingbot's own code takes for its own."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

PACKAGE = "hummingbot.core.api_throttler"


class StandsFor(ABC):
    """`isinstance` and `issubclass` take Hummingbot's own class for ours, too.

    Objects made before the drop-in was installed, limits above all, live on beside ours.
    """

    #: The module of Hummingbot in which the class has its own name; set by each class itself.
    hummingbot_module: ClassVar[str]

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        """Whether ``other`` is Hummingbot's own class, or made from it."""
        if "hummingbot_module" in vars(cls):
            own = (f"{PACKAGE}.{cls.hummingbot_module}", cls.__name__)
            if any((base.__module__, base.__name__) == own for base in other.__mro__):
                return True
        return NotImplemented  # type: ignore[no-any-return]  # As `ABCMeta` wants it.
