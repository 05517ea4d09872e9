"""Lists are read completely while they change."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.reltio import errors
from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient

TOKEN_URL = "https://auth.reltio.com/oauth/token"
# Before a page is served: how many tasks are removed, from which index, and how many are inserted at the front.
Change = tuple[int, int, int]


class Listing:
    """A list of tasks that changes between its pages. `cap`: the largest page that Reltio returns."""

    def __init__(self, count: int, changes: list[Change], cap: int = 1000) -> None:
        self.ids = [f"task-{n}" for n in range(count)]
        self.staying = set(self.ids)
        self.changes = list(changes)
        self.cap = cap
        self.pages = 0
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
        return httpx.Response(200, json=[{"id": id_} for id_ in self.ids[first : first + size]])

    def _change(self, leaving: int, place: int, coming: int) -> None:
        del self.ids[place : place + leaving]
        self.staying &= set(self.ids)
        self.ids[:0] = [f"new-{self.pages}-{n}" for n in range(coming)]

    async def read(self) -> list[str]:
        return [task.id async for task in self.client.active_tasks()]


@pytest.mark.parametrize("cap", [7, 50, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 99, 100, 101, 350])
async def test_an_unchanged_list_is_read_completely_and_once(count: int, cap: int) -> None:
    listing = Listing(count, [], cap)
    assert await listing.read() == listing.ids


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 2), (40, 2), (150, 3)])
async def test_few_pages_are_requested(count: int, pages: int) -> None:
    listing = Listing(count, [])
    await listing.read()
    assert listing.pages == pages


async def test_no_task_is_skipped_when_the_list_shrinks_below_the_next_page() -> None:
    listing = Listing(200, [(0, 0, 0), (110, 0, 0)])
    assert listing.staying <= set(await listing.read())


changes = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 400), st.integers(0, 120)), max_size=8)


@given(st.integers(0, 450), changes, st.sampled_from([30, 100]))
async def test_tasks_that_stay_on_the_list_are_found_and_none_is_found_twice(
    count: int, changes: list[Change], cap: int
) -> None:
    listing = Listing(count, changes, cap)
    found = await listing.read()
    assert listing.staying <= set(found)
    assert len(found) == len(set(found))


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
