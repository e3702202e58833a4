"""Tests of `TTLCache`, `LRUCache` and `LoadingCache`."""
