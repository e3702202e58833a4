"""An exact rate limiter and rate cache for trading bots."""

from sluicegate._core import __version__

__all__ = ["__version__"]
