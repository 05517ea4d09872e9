"""A queue in which groups take turns, so that one with many items delays the others by one item each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


def namespace_of(key: Hashable) -> Hashable:
    """The group of a key: its namespace, where it is a pair of namespace and name."""
    return key[0] if isinstance(key, tuple) and key else None


class FairQueue(Generic[Item]):
    """First in, first out in each group. An item is in the queue once. Every operation takes constant time."""

    def __init__(self, group_of: Callable[[Item], Hashable] = namespace_of) -> None:
        self._group_of = group_of
        self._groups: OrderedDict[Hashable, dict[Item, None]] = OrderedDict()  # the one whose turn it is first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, item: Item) -> bool:
        return item in self._groups.get(self._group_of(item), ())

    def __iter__(self) -> Iterator[Item]:
        return (item for items in self._groups.values() for item in items)

    def push(self, item: Item) -> None:
        items = self._groups.setdefault(self._group_of(item), {})
        if item not in items:
            items[item] = None
            self._size += 1

    def pop(self) -> Item:
        """The next item. Its group goes to the end. Raises IndexError when the queue is empty."""
        if not self._groups:
            raise IndexError("the queue is empty")
        group, items = next(iter(self._groups.items()))
        item = next(iter(items))
        self._remove(group, items, item)
        if items:
            self._groups.move_to_end(group)
        return item

    def discard(self, item: Item) -> None:
        group = self._group_of(item)
        items = self._groups.get(group, {})
        if item in items:
            self._remove(group, items, item)

    def _remove(self, group: Hashable, items: dict[Item, None], item: Item) -> None:
        del items[item]
        self._size -= 1
        if not items:
            del self._groups[group]
