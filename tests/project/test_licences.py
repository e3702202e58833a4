"""The licences of all that a wheel links are in it."""

from __future__ import annotations

import importlib.util
import shutil
from types import ModuleType

import pytest

from tests.helpers.repository import ROOT

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo knows the crates")


@pytest.fixture
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "make" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_cargo
def test_the_licences_are_those_of_the_crates_that_are_linked(licences: ModuleType) -> None:
    written = licences.FILE.read_text(encoding="utf-8")
    assert written == licences.text(), "run `make licences`"


def test_wheels_hold_each_licence() -> None:
    files = sorted(path.name for path in ROOT.iterdir() if "LICENSE" in path.name)
    told = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [line] = [line for line in told.splitlines() if line.startswith("license-files")]
    assert len(files) == 3
    for name in files:
        assert f'"{name}"' in line
