"""Sorts many names in parts, between which other threads have their turn: sorted() holds the interpreter to its end."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

SORTED_AT_ONCE = 4096  # names


def in_order(names: Iterable[str], key: Callable[[str], Any] | None = None) -> Iterator[str]:
    """The names in the order of `sorted`."""
    remaining = iter(names)
    runs = []
    while run := sorted(itertools.islice(remaining, SORTED_AT_ONCE), key=key):
        runs.append(run)
    return heapq.merge(*runs, key=key)
