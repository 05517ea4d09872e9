"""Reads a list of tasks that changes while it is read, and whose order Reltio does not promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from ..api.task import ObservedTask
from .errors import AnswerTooLarge, SearchIncomplete

PAGE_SIZE = 100
_OVERLAP = 5
_MAX_PAGES = 2_000
_SMALLER_SIZES = (30, 10)  # tasks, after a page that was beyond the limits on answers
_WHOLE_SIZES = (400, 800)  # tasks, for a list that is to come in one page: well within the bounds on an answer
_QUIET_PASSES = 8  # in a row without a new task, after which a list without an order counts as read

Page = Sequence[ObservedTask]
ReadPage = Callable[[int, int], Awaitable[Page]]


class TaskList:
    """One reading of a list. `read` takes an offset and a number of tasks, of which Reltio may return fewer."""

    def __init__(self, read: ReadPage) -> None:
        self._read_page = read
        self._pages = 0
        self._known: set[str] = set()
        self._largest = max(_WHOLE_SIZES)  # page that is asked for

    async def tasks(
        self, is_complete: Callable[[Page], bool] | None = None, *, thorough: bool = True
    ) -> AsyncIterator[ObservedTask]:
        """Every task once. Raises SearchIncomplete when the list does not end within the bound on pages.

        The reading ends earlier when `is_complete` returns True for a page of new tasks. Where the order differs from
        page to page and Reltio returns no page with the whole list, a reading that is not `thorough` may miss tasks.
        """
        # Tasks that finish during the listing shift later ones to earlier offsets, so a page may skip some. A page
        # that starts with a known task proves that none was skipped; otherwise the listing goes back one page. New
        # tasks shift known ones to later offsets, and Reltio may cap the size of pages: so neither a page of known
        # tasks nor a short page ends the listing, but only a page with nothing but the overlap. Reltio is taken to
        # return two tasks at least: a page as long as the longest one may have been capped.
        order = _Order()
        offset = longest = 0
        while True:
            page = await self._read(offset, PAGE_SIZE)
            longest = max(longest, len(page))
            is_joined = offset == 0 or bool(page and page[0].id in self._known)
            if not order.is_kept_by(page):
                break
            if not is_joined:
                offset = max(0, offset - PAGE_SIZE)
                continue
            new = self._new(page)
            if not new and len(page) <= _OVERLAP and (len(page) < longest or longest <= 1):
                if is_complete is None and offset >= min(PAGE_SIZE, self._largest) - _OVERLAP:
                    async for task in self._moved_to_the_front():
                        yield task
                return
            for task in new:
                yield task
            if is_complete is not None and new and is_complete(new):
                return
            offset += max(1, len(page) - _OVERLAP) if len(page) > 1 else 0
        async for task in self._in_any_order(page, thorough=thorough):
            yield task

    async def _moved_to_the_front(self) -> AsyncIterator[ObservedTask]:
        """Tasks that were behind the page that was read, and are before it since: a list may be sorted by a time."""
        offset = 0
        while new := self._new(page := await self._read(offset, PAGE_SIZE)):
            for task in new:
                yield task
            offset += len(page)

    async def _in_any_order(self, page: Page, *, thorough: bool) -> AsyncIterator[ObservedTask]:
        """One page with the whole list shows it, whatever its order is. Else repeated passes find what is left."""
        for task in self._new(page):
            yield task
        for size in _WHOLE_SIZES:
            page = await self._read(0, size)
            for task in self._new(page):
                yield task
            if len(page) >= size:
                continue
            # Nothing behind the page: it has the whole list, unless Reltio caps the size of pages, and the list has
            # shrunk to that since. In that case another reading of the page shows what was behind it.
            while not await self._read(len(page), 1):
                page = await self._read(0, size)
                new = self._new(page)
                if not new:
                    return
                for task in new:
                    yield task
            break  # Reltio caps the size of pages
        quiet = 0
        while thorough and quiet < _QUIET_PASSES:
            before, offset = len(self._known), 0
            while page := await self._read(offset, _WHOLE_SIZES[0]):
                for task in self._new(page):
                    yield task
                offset += len(page)
            quiet = quiet + 1 if len(self._known) == before else 0

    def _new(self, page: Page) -> Page:
        new = {task.id: task for task in page if task.id not in self._known}
        self._known.update(new)
        return tuple(new.values())

    async def _read(self, offset: int, size: int) -> Page:
        """A page. After one that is too large, all are smaller, as if Reltio capped their size."""
        while True:
            if self._pages >= _MAX_PAGES:
                raise SearchIncomplete(pages=_MAX_PAGES)
            self._pages += 1
            asked = min(size, self._largest)
            try:
                return await self._read_page(offset, asked)
            except AnswerTooLarge:
                smaller = next((one for one in (PAGE_SIZE, *_SMALLER_SIZES) if one < asked), None)
                if smaller is None:
                    raise
                self._largest = smaller


class _Order:
    """Whether tasks keep their order from page to page. Tasks that come and go between others do not change it."""

    def __init__(self) -> None:
        self._ranks: dict[str, float] = {}

    def is_kept_by(self, page: Page) -> bool:
        """Whether the known tasks of the page come in the known order. Ranks its new tasks between them."""
        if self._ranks and not any(task.id in self._ranks for task in page):
            return True  # it may be from anywhere in the list, so its tasks have no rank yet
        low, waiting = min(self._ranks.values(), default=0.0) - 1, list[str]()
        for task in page:
            rank = self._ranks.get(task.id)
            if rank is None:
                waiting.append(task.id)
            elif rank < low:
                return False
            else:
                self._place(waiting, low, rank)
                low, waiting = rank, []
        self._place(waiting, low, max([low, *self._ranks.values()]) + 1 + len(waiting))
        return True

    def _place(self, ids: list[str], low: float, high: float) -> None:
        for number, id_ in enumerate(ids, 1):
            self._ranks[id_] = low + (high - low) * number / (len(ids) + 1)
