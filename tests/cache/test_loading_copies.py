"""Copies of a loading cache load for themselves."""

import copy
import pickle
import pickletools

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import Loader
from tests.helpers.threads import error_of


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]
)
def test_a_copy_loads_for_itself(duplicate):
    cache = LoadingCache(10, 100, error_ttl=30, refresh_ahead=10)
    cache["a"] = 1
    error_of(cache.get_or_load, "b", Loader(ZeroDivisionError()))
    copied = duplicate(cache)
    assert type(copied) is LoadingCache
    assert copied.get_or_load("a", Loader(2)) == 1
    assert copied.get_or_load("b", Loader(2)) == 2
    error_of(copied.get_or_load, "c", Loader(OSError()))
    assert cache.get_or_load("c", Loader(3)) == 3


def test_an_error_that_cannot_be_pickled_does_not_matter():
    class LocalError(Exception):
        pass

    cache = LoadingCache(error_ttl=30)
    error_of(cache.get_or_load, "b", Loader(LocalError()))
    assert pickle.loads(pickle.dumps(cache)).get_or_load("b", Loader(2)) == 2


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_names_public_places_only(protocol):
    """A private one would move with a file, and the pickle could not be read any more."""
    pickled = pickle.dumps(LoadingCache(10, 100, error_ttl=30, refresh_ahead=10), protocol)
    modules = set()
    texts = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            modules.add(argument.split()[0])
        elif opcode.name == "STACK_GLOBAL":
            modules.add(texts[-2])
        elif isinstance(argument, str):
            texts.append(argument)
    assert {name for name in modules if "sluicegate" in name} == {"sluicegate.cache"}
