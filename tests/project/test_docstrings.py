"""`help()` tells all that the stub tells, and its examples are true."""

from __future__ import annotations

import ast
import doctest
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sluicegate
from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler, _core
from sluicegate.testing import ManualClock

STUB = Path(sluicegate.__file__).with_name("_core.pyi")
PUBLIC = {*sluicegate.__all__, "ManualClock", "check_timezone"} & set(_core.__all__)


def documented() -> Iterator[tuple[str, str]]:
    """Each public name of the stub, and its docstring: of overloads, all of them have one."""
    for node in ast.parse(STUB.read_text()).body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name not in PUBLIC:
            continue
        yield node.name, ast.get_docstring(node) or ""
        seen: dict[str, str] = {}
        for inner in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                name = f"{node.name}.{inner.name}"
                seen[name] = seen.get(name) or ast.get_docstring(inner) or ""
        yield from seen.items()


def at_runtime(name: str) -> Any:
    found: Any = _core
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(
    ("name", "text"), list(documented()), ids=[name for name, _ in documented()]
)
def test_help_tells_what_the_stub_tells(name: str, text: str) -> None:
    assert text, "the stub has no docstring"
    assert inspect.getdoc(at_runtime(name)) == text


@pytest.mark.parametrize("name", [name for name, _ in documented()])
def test_help_shows_the_arguments(name: str) -> None:
    found = at_runtime(name)
    if callable(found) and not isinstance(found, type):
        names = list(inspect.signature(found).parameters)
        text = inspect.getdoc(found) or ""
        for argument in names:
            # A short method may tell of its one argument in its sentence.
            if argument != "self" and "Args:" in text:
                assert f"    {argument}: " in text, f"{name} does not tell what {argument} is"


def test_signature_of_the_throttler_is_the_one_to_write() -> None:
    parameters = inspect.signature(Throttler).parameters
    assert next(iter(parameters)) == "rate_limits"
    assert parameters["clock"].default is None


@pytest.mark.parametrize("name", [name for name, text in documented() if ">>>" in text])
def test_examples_of_help_are_true(name: str) -> None:
    throttler = Throttler([RateLimit("/depth", limit=20, time_interval=1)], clock=ManualClock())
    assert throttler.charge("/depth", units=2)
    names = {
        "throttler": throttler,
        **{one.__name__: one for one in (LinkedLimitWeightPair, ManualClock, RateLimit, Throttler)},
        **{name: getattr(sluicegate, name) for name in sluicegate.__all__},
    }
    test = doctest.DocTestParser().get_doctest(
        inspect.getdoc(at_runtime(name)) or "", names, name, None, 0
    )
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.attempted > 0
    assert result.failed == 0
