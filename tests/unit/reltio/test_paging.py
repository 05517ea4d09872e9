"""Lists are read completely while they change."""

from __future__ import annotations

import random

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reltio_export_operator.reltio import errors
from reltio_export_operator.reltio.answers import AnswerBeyondLimits
from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient
from reltio_export_operator.runtime.answers import BeyondLimitsError
from reltio_export_operator.runtime.bounds import Answer

TOKEN_URL = "https://auth.reltio.com/oauth/token"
# Before a page is served: how many tasks are removed, from which index, and how many are inserted at the front.
Change = tuple[int, int, int]


class Listing:
    """A list of tasks that changes between its pages.

    `cap`: the largest page that Reltio returns. `fits`: the largest one that is within the limits on answers.
    """

    def __init__(self, count: int, changes: list[Change], cap: int = 1000, fits: int = 1000) -> None:
        self.ids = [f"task-{n}" for n in range(count)]
        self.staying = set(self.ids)
        self.changes = list(changes)
        self.cap = cap
        self.fits = fits
        self.pages = 0
        self.asked: list[int] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        tokens = TokenSource(TOKEN_URL, "client", "secret", http=http)
        self.client = ReltioClient("https://na99-prod.reltio.com/jobs", "acme01", tokens, http=http)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            return httpx.Response(200, json={"access_token": "t", "expires_in": 3599})
        self.pages += 1
        if self.changes:
            self._change(*self.changes.pop(0))
        first, size = int(request.url.params["offset"]), min(int(request.url.params["max"]), self.cap)
        self.asked.append(int(request.url.params["max"]))
        if len(self.ids[first : first + size]) > self.fits:
            raise AnswerBeyondLimits(BeyondLimitsError.of_size(Answer.RELTIO))
        return httpx.Response(200, json=[{"id": id_} for id_ in self.ids[first : first + size]])

    def _change(self, leaving: int, place: int, coming: int) -> None:
        del self.ids[place : place + leaving]
        self.staying &= set(self.ids)
        self.ids[:0] = [f"new-{self.pages}-{n}" for n in range(coming)]

    async def read(self) -> list[str]:
        return [task.id async for task in self.client.active_tasks()]


@pytest.mark.parametrize("cap", [2, 5, 7, 50, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 99, 100, 101, 350])
async def test_an_unchanged_list_is_read_completely_and_once(count: int, cap: int) -> None:
    listing = Listing(count, [], cap)
    assert await listing.read() == listing.ids


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 2), (40, 2), (150, 4)])
async def test_few_pages_are_requested(count: int, pages: int) -> None:
    listing = Listing(count, [])
    await listing.read()
    assert listing.pages == pages


async def test_no_task_is_skipped_when_the_list_shrinks_below_the_next_page() -> None:
    listing = Listing(200, [(0, 0, 0), (110, 0, 0)])
    assert listing.staying <= set(await listing.read())


changes = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 400), st.integers(0, 120)), max_size=8)


@given(st.integers(0, 450), changes, st.sampled_from([2, 5, 30, 100]))
@example(1, [(0, 0, 120), (38, 0, 33), (17, 12, 2), (0, 2, 7), (92, 15, 84)], 100)
async def test_tasks_that_stay_on_the_list_are_found_and_none_is_found_twice(
    count: int, changes: list[Change], cap: int
) -> None:
    listing = Listing(count, changes, cap)
    found = await listing.read()
    assert listing.staying <= set(found)
    assert len(found) == len(set(found))


class Shuffled(Listing):
    """A list that comes in another order for each page."""

    def __init__(self, count: int, cap: int) -> None:
        super().__init__(count, [], cap)
        self._random = random.Random(count + cap)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._random.shuffle(self.ids)
        return super()._answer(request)


@pytest.mark.parametrize(("count", "cap"), [(1000, 5000), (1000, 100), (150, 50), (3000, 1000), (101, 100)])
async def test_a_list_in_another_order_for_each_page_is_read_completely(count: int, cap: int) -> None:
    listing = Shuffled(count, cap)
    found = await listing.read()
    assert sorted(found) == sorted(listing.ids)


async def test_a_list_in_another_order_needs_few_pages_if_one_page_can_have_all_of_it() -> None:
    listing = Shuffled(700, 5000)
    assert sorted(await listing.read()) == sorted(listing.ids)
    assert listing.pages == 6


async def test_a_list_that_shrinks_to_the_largest_page_hides_no_task_behind_it() -> None:
    listing = Shuffled(130, 100)
    answer, seen = listing._answer, set[str]()

    def shrinking(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("max") == "1":
            # Of the tasks that were shown some end, and the list is as long as a page now.
            ended = [id_ for id_ in listing.ids if id_ in seen][: max(0, len(listing.ids) - 100)]
            listing.ids = [id_ for id_ in listing.ids if id_ not in ended]
        answered = answer(request)
        if str(request.url) != TOKEN_URL:
            seen.update(task["id"] for task in answered.json())
        return answered

    http = httpx.AsyncClient(transport=httpx.MockTransport(shrinking))
    tokens = TokenSource(TOKEN_URL, "client", "secret", http=http)
    listing.client = ReltioClient("https://na99-prod.reltio.com/jobs", "acme01", tokens, http=http)
    assert set(listing.ids) <= set(await listing.read())


async def test_a_list_in_another_order_is_read_repeatedly_only_if_it_must_be_complete() -> None:
    listing = Shuffled(1000, 100)
    found = [task.id async for task in listing.client.active_tasks(thorough=False)]
    assert len(found) == len(set(found)) > 100
    assert listing.pages < 8


async def test_a_task_that_moves_to_the_front_while_the_list_is_read_is_found() -> None:
    listing = Listing(350, [])
    moving = listing.ids[300]
    change = listing._change

    def move(*_: int) -> None:
        listing.ids.remove(moving)
        listing.ids.insert(0, moving)
        listing.changes, listing._change = [], change  # type: ignore[method-assign]

    listing.changes, listing._change = [(0, 0, 0), (1, 1, 1)], lambda *given: move() if any(given) else None  # type: ignore[method-assign]
    found = await listing.read()
    assert sorted(found) == sorted(listing.ids)


MINUTE_MS = 60_000


class History(Listing):
    """Tasks that were created and ended at these minutes, served in this order. Counts the pages."""

    def __init__(self, *, created: list[int | None], ended: list[int | None]) -> None:
        super().__init__(len(created), [])
        self._times = {
            id_: {"createdTime": _ms(began), "endTime": _ms(end)}
            for id_, began, end in zip(self.ids, created, ended, strict=True)
        }

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = super()._answer(request)
        if str(request.url) == TOKEN_URL:
            return answer
        return httpx.Response(200, json=[{**task, **self._times[task["id"]]} for task in answer.json()])

    async def since(self, minute: int) -> list[str]:
        return [task.id async for task in self.client.history(minute * MINUTE_MS)]


def _ms(minute: int | None) -> int | None:
    return minute * MINUTE_MS if minute is not None else None


async def test_a_long_history_is_read_only_as_far_back_as_asked() -> None:
    minutes: list[int | None] = list(range(20_000, 0, -1))
    listing = History(created=minutes, ended=minutes)
    found = await listing.since(19_950)
    assert set(listing.ids[:51]) <= set(found)
    assert listing.pages == 3, "the page with the time, and two whole pages of older tasks"


async def test_a_history_in_the_order_of_ends_is_read_as_far_back_as_asked() -> None:
    ended: list[int | None] = list(range(20_000, 0, -1))
    created: list[int | None] = [minute - minute * 7919 % 300 for minute in range(20_000, 0, -1)]
    listing = History(created=created, ended=ended)
    wanted = {id_ for id_, minute in zip(listing.ids, created, strict=True) if minute is not None and minute >= 19_900}
    assert wanted <= set(await listing.since(19_900))
    assert listing.pages < 10


@pytest.mark.parametrize("times", ["oldest first", "shuffled", "without times"])
async def test_a_history_in_another_order_is_read_to_its_end(times: str) -> None:
    minutes: list[int | None] = {
        "oldest first": [*range(1, 3001)],
        "shuffled": [minute * 7919 % 3001 for minute in range(3000)],
        "without times": [None] * 3000,
    }[times]
    listing = History(created=minutes, ended=minutes)
    assert await listing.since(2_990) == listing.ids


async def test_one_old_page_among_newer_ones_does_not_end_the_reading() -> None:
    minutes: list[int | None] = [*range(5000, 4900, -1), *[1] * 100, *range(4900, 0, -1)]
    listing = History(created=minutes, ended=minutes)
    assert set(listing.ids[200:290]) <= set(await listing.since(4_800))


async def test_a_history_that_does_not_end_within_the_bound_is_an_incomplete_search() -> None:
    minutes: list[int | None] = [*range(200_000)]
    listing = History(created=minutes, ended=minutes)
    with pytest.raises(errors.SearchIncomplete):
        await listing.since(199_990)


async def test_finished_tasks_come_from_the_history() -> None:
    listing = Listing(3, [])
    assert [task.id async for task in listing.client.history()] == listing.ids


@pytest.mark.parametrize("body", [{}, "no list", [{"name": "no id"}], [7]], ids=repr)
async def test_a_list_of_the_wrong_type_is_an_error(body: object) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": "t", "expires_in": 9} if request.method == "POST" else body)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    client = ReltioClient("https://a.example", "acme01", TokenSource(TOKEN_URL, "c", "s", http=http), http=http)
    with pytest.raises(errors.UnexpectedAnswer):
        [task async for task in client.active_tasks()]


@pytest.mark.parametrize("fits", [10, 29, 30, 99])
@pytest.mark.parametrize("count", [1, 11, 40, 350])
async def test_a_page_that_is_too_large_is_asked_for_again_with_fewer_tasks(count: int, fits: int) -> None:
    listing = Listing(count, [], fits=fits)
    assert await listing.read() == listing.ids
    refused = [size for size in listing.asked if min(size, count) > fits]
    assert len(refused) <= 2
    assert set(listing.asked) <= {100, 30, 10}


@settings(max_examples=30)
@given(st.integers(0, 120), changes, st.sampled_from([10, 30]))
async def test_tasks_that_stay_are_found_with_smaller_pages(count: int, changes: list[Change], fits: int) -> None:
    listing = Listing(
        count, [(min(leaving, 5), place, min(coming, 5)) for leaving, place, coming in changes], fits=fits
    )
    assert listing.staying <= set(await listing.read())


async def test_a_page_of_ten_tasks_that_is_too_large_is_an_error() -> None:
    listing = Listing(40, [], fits=9)
    with pytest.raises(errors.AnswerTooLarge):
        await listing.read()
    assert listing.asked == [100, 30, 10]


async def test_a_page_that_takes_too_long_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(40, [], fits=9)
    monkeypatch.setattr(BeyondLimitsError, "of_size", BeyondLimitsError.of_time)
    with pytest.raises(errors.AnswerRefused):
        await listing.read()
    assert listing.asked == [100]
