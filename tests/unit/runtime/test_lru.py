"""A mapping of limited size."""

from __future__ import annotations

from reltio_export_operator.runtime.lru import LruCache


def test_the_entry_that_was_not_used_for_longest_is_dropped() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert list(cache) == ["a", "c"]
    assert cache.peek("a") == 1
    cache.put("d", 4)
    assert list(cache) == ["c", "d"]


def test_an_entry_is_made_once() -> None:
    cache: LruCache[str, list[int]] = LruCache(2)
    made = cache.get_or_make("a", list)
    assert cache.get_or_make("a", list) is made
    assert len(cache) == 1
