"""`Throttler.limit`: a decorator whose function is one request."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluicegate import Task, Throttler


def limiting(
    throttler: Throttler,
    limit_id: str,
    units: int | None,
    timeout: float | None,
    priority: int | None = None,
) -> Callable[[Any], Any]:
    """The decorator of `Throttler.limit`.

    Raises:
        TypeError: ``limit_id`` is not a ``str``.
    """
    if not isinstance(limit_id, str):
        if callable(limit_id):
            name = _name(limit_id)
            raise TypeError(
                f"limit needs the id of a limit: write @throttler.limit('/depth') above {name}, "
                "and not @throttler.limit"
            )
        raise TypeError(f"limit_id must be a str, not {limit_id!r}")
    # A subclass may have an `execute_task` that knows the id alone.
    options: dict[str, Any] = {}
    if units is not None:
        options["units"] = units
    if timeout is not None:
        options["timeout"] = timeout
    if priority is not None:
        options["priority"] = priority

    def task() -> Task:
        return throttler.execute_task(limit_id, **options)

    return lambda function: _limited(function, task)


def _limited(function: Any, task: Callable[[], Task]) -> Any:
    if isinstance(function, staticmethod | classmethod):
        return type(function)(_limited(function.__func__, task))
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"limit is for functions and coroutine functions, got {function!r}")
    if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
        raise TypeError(
            f"limit is for functions that are one request, and {_name(function)} is a generator: "
            "its code runs when its items are asked for. Write `with throttler.execute_task(…)` "
            "around each request in it"
        )
    if _is(inspect.iscoroutinefunction, function):

        async def limited_async(*args: Any, **kwargs: Any) -> Any:
            async with task():
                return await function(*args, **kwargs)

        return functools.update_wrapper(limited_async, function)

    def limited(*args: Any, **kwargs: Any) -> Any:
        with task():
            result = function(*args, **kwargs)
        if inspect.iscoroutine(result) or inspect.isgenerator(result):
            result.close()
            raise TypeError(
                f"{_name(function)} is a plain function, and returned a {type(result).__name__}, "
                "whose code has not run yet. Put @throttler.limit directly above the function "
                "itself, below its other decorators"
            )
        return result

    return functools.update_wrapper(limited, function)


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    """Whether a function is of a kind; or an object with such a `__call__`, or a partial."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))
