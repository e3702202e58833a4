"""Loaders that call the cache that they load for."""

import asyncio
import contextvars
import threading

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import Loader
from tests.helpers.threads import PATIENCE, Thread, error_of


def test_a_loader_that_asks_for_its_own_key_gets_an_error():
    cache = LoadingCache()
    with pytest.raises(RuntimeError, match="'a'"):
        cache.get_or_load("a", lambda key: cache.get_or_load(key, lambda _: 1))
    assert cache.get_or_load("a", Loader(1)) == 1


def test_a_loader_that_asks_from_a_context_of_its_own_gets_an_error_too():
    cache = LoadingCache()
    aside = contextvars.Context()
    with pytest.raises(RuntimeError, match="asks for 'a' itself"):
        cache.get_or_load("a", lambda key: aside.run(cache.get_or_load, key, Loader()))


def test_a_loader_may_load_another_key():
    cache = LoadingCache()
    assert cache.get_or_load("a", lambda _: cache.get_or_load("b", Loader(2)) + 1) == 3
    assert dict(cache.items()) == {"b": 2, "a": 3}


def test_a_circle_of_loaders_in_one_thread_gets_an_error():
    cache = LoadingCache()

    def load(key):
        return cache.get_or_load({"a": "b", "b": "c", "c": "a"}[key], load)

    with pytest.raises(RuntimeError, match="asks for"):
        cache.get_or_load("a", load)


def test_a_circle_of_loaders_in_two_threads_gets_an_error():
    cache, meet = LoadingCache(), threading.Barrier(2)

    def load(key):
        meet.wait(PATIENCE)
        return cache.get_or_load({"a": "b", "b": "a"}[key], Loader(1))

    threads = [Thread(cache.get_or_load, key, load) for key in "ab"]
    errors = [error_of(thread.outcome) for thread in threads]
    assert all(type(error) is RuntimeError for error in errors)


async def test_an_async_loader_that_asks_for_its_own_key_gets_an_error():
    cache = LoadingCache()

    async def load(key):
        return await cache.aget_or_load(key, load)

    with pytest.raises(RuntimeError, match="'a'"):
        await cache.aget_or_load("a", load)


async def test_a_task_of_the_loader_that_asks_for_its_key_gets_an_error():
    cache = LoadingCache()

    async def load(key):
        return await asyncio.gather(cache.aget_or_load(key, load), asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="'a'"):
        await cache.aget_or_load("a", load)


async def test_a_circle_of_async_loaders_gets_an_error():
    cache, both = LoadingCache(), asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None
    if both is None:
        pytest.skip("needs asyncio.Barrier")

    async def load(key):
        await both.wait()
        return await cache.aget_or_load({"a": "b", "b": "a"}[key], load)

    results = await asyncio.gather(
        *(cache.aget_or_load(key, load) for key in "ab"), return_exceptions=True
    )
    assert {type(result) for result in results} == {RuntimeError}
