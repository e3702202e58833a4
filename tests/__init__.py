"""Tests by subject. A package, because a folder `freqtrade` on the path would hide Freqtrade."""

import pytest

# What tests share asserts as they do: a failure shows both sides.
pytest.register_assert_rewrite("tests.helpers", "tests.cache")
