"""Fixtures of the tests of caches: `cache`, one of each kind."""

import pytest

from sluicegate import LRUCache, TTLCache


@pytest.fixture(params=[TTLCache, LRUCache])
def cache(request):
    return request.param(3)
