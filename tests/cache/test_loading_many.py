"""`get_many_or_load`: many keys in one call of the loader."""

from sluicegate import LoadingCache, NotLoadedError
from tests.cache.loaders import Loader
from tests.helpers.threads import error_of


def test_all_missing_keys_are_loaded_in_one_call():
    cache, loader = LoadingCache(), Loader(1)
    cache["b"] = 2
    assert list(cache.get_many_or_load("abcab", loader.batch).items()) == [
        ("a", 1),
        ("b", 2),
        ("c", 1),
    ]
    assert loader.calls == [["a", "c"]]
    assert cache.get_many_or_load("abc", loader.batch) == {"a": 1, "b": 2, "c": 1}
    assert len(loader.calls) == 1


def test_more_keys_than_there_is_room_for_are_all_returned():
    cache, loader = LoadingCache(100), Loader(1)
    assert cache.get_many_or_load(range(120), loader.batch) == dict.fromkeys(range(120), 1)
    assert len(loader.calls) == 1
    assert len(cache) == 100


def test_no_keys_make_no_call():
    loader = Loader()
    assert LoadingCache().get_many_or_load([], loader.batch) == {}
    assert loader.calls == []


def test_a_key_that_the_batch_lacks_has_failed():
    cache = LoadingCache()
    error = error_of(cache.get_many_or_load, "ab", lambda _: {"a": 1})
    assert type(error) is NotLoadedError
    assert isinstance(error, KeyError)
    assert str(error) == "the batch loader returned nothing for 'b'"
    assert cache["a"] == 1


def test_a_key_with_an_exception_in_the_batch_has_failed():
    cache, error = LoadingCache(error_ttl=30), OSError("delisted")
    loads = []

    def batch(keys):
        loads.append(keys)
        return {key: error if key == "b" else 1 for key in keys}

    for _ in range(2):
        result = cache.get_many_or_load("abc", batch, return_exceptions=True)
        assert result == {"a": 1, "b": error, "c": 1}
    assert loads == [["a", "b", "c"]]
    assert error_of(cache.get_or_load, "b", Loader()) is error


def test_a_batch_loader_that_fails_has_failed_for_all_its_keys():
    cache, loader = LoadingCache(error_ttl=30), Loader(OSError("down"))
    cache["a"] = 1
    assert error_of(cache.get_many_or_load, "abc", loader.batch) is loader.value
    result = cache.get_many_or_load("abc", loader.batch, return_exceptions=True)
    assert result == {"a": 1, "b": loader.value, "c": loader.value}
    assert len(loader.calls) == 1


def test_a_batch_loader_must_return_a_mapping():
    error = error_of(LoadingCache().get_many_or_load, "ab", lambda keys: [1, 2])
    assert type(error) is TypeError
    assert "mapping" in str(error)
    assert "list" in str(error)
