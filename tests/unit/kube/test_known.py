"""What is known of jobs: the newest version, and nothing that may be out of date."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clocks import FakeClock
from reltio_export_operator.api.meta import FINALIZER, JOBS, TARGETS
from reltio_export_operator.kube.client import ConflictError, InvalidError
from reltio_export_operator.kube.known import KnownJobs
from reltio_export_operator.kube.notices import JobNotices, is_last

Raw = dict[str, Any]
KEY = ("mdm", "nightly")
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


def job(version: object, *, uid: str = "u-1", status: Raw | None = None, **meta: Any) -> Raw:
    metadata = {"namespace": "mdm", "name": "nightly", "uid": uid, "resourceVersion": str(version), **meta}
    return {"metadata": metadata, "spec": {"targetRef": {"name": "lake"}}, "status": status or {}}


class Server:
    """Answers with what it is given, and counts the reads."""

    def __init__(self) -> None:
        self.stored: Raw | None = None
        self.answer: Raw | Exception | None = None
        self.reads = 0

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        self.reads += 1
        return self.stored

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def set_finalizers(self, plural: str, raw: Raw, finalizers: list[str], **_: Any) -> Raw | None:
        return await self.patch_status(plural, raw, {})

    async def delete(self, plural: str, raw: Raw) -> None:
        return None


class World:
    def __init__(self) -> None:
        self.server, self.clock, self.woken = Server(), FakeClock(), []  # type: ignore[var-annotated]
        self.known = KnownJobs(self.server, self.clock, self.woken.append)  # type: ignore[arg-type]

    async def version(self) -> str | None:
        found = await self.known.get(JOBS, *KEY)
        return found["metadata"]["resourceVersion"] if found else None


@pytest.fixture
def world() -> World:
    return World()


async def test_a_job_that_the_watch_has_shown_is_not_read(world: World) -> None:
    assert world.known.noticed(job(5))
    assert await world.known.get(JOBS, *KEY) == job(5)
    assert world.server.reads == 0


async def test_a_job_that_nobody_has_shown_is_read_once(world: World) -> None:
    world.server.stored = job(5)
    assert [await world.version(), await world.version()] == ["5", "5"]
    assert world.server.reads == 1


async def test_other_kinds_are_always_read(world: World) -> None:
    world.server.stored = job(5)
    for _ in range(2):
        await world.known.get(TARGETS, *KEY)
    assert world.server.reads == 2


async def test_an_older_event_never_replaces_the_answer_to_a_write(world: World) -> None:
    world.known.noticed(job(5))
    world.server.answer = job(9, status={"phase": "Submitting"})
    await world.known.patch_status(JOBS, job(5), {})
    assert not world.known.noticed(job(7))
    assert not world.known.noticed(job(9)), "the event of the write itself is not news"
    assert await world.version() == "9"
    assert world.known.noticed(job(10))
    assert await world.version() == "10"


async def test_versions_are_compared_as_numbers(world: World) -> None:
    world.known.noticed(job(9))
    assert world.known.noticed(job(10))
    assert await world.version() == "10"


@pytest.mark.parametrize("error", [ConflictError("nightly"), TimeoutError(), OSError()])
async def test_after_a_write_whose_result_is_not_known_the_job_is_read(world: World, error: Exception) -> None:
    world.known.noticed(job(5))
    world.server.answer, world.server.stored = error, job(8)
    with pytest.raises(type(error)):
        await world.known.patch_status(JOBS, job(5), {})
    world.known.noticed(job(6))  # an event that was on its way is not what is asked for
    assert await world.version() == "8"
    assert await world.version() == "8"
    assert world.server.reads == 1


async def test_a_refused_write_has_changed_nothing(world: World) -> None:
    world.known.noticed(job(5))
    world.server.answer = InvalidError("no")
    with pytest.raises(InvalidError):
        await world.known.patch_status(JOBS, job(5), {})
    assert await world.version() == "5"
    assert world.server.reads == 0


async def test_a_job_that_a_write_did_not_find_is_read(world: World) -> None:
    world.known.noticed(job(5))
    assert await world.known.patch_status(JOBS, job(5), {}) is None
    assert await world.version() is None


async def test_a_read_that_fails_leaves_the_doubt(world: World) -> None:
    world.known.noticed(job(5))
    world.known.doubt(KEY)

    async def fail(*_: str) -> None:
        raise OSError

    world.server.get, read = fail, world.server.get  # type: ignore[assignment, method-assign]
    with pytest.raises(OSError):  # noqa: PT011 - whatever the connection raises
        await world.version()
    world.server.get, world.server.stored = read, job(6)  # type: ignore[method-assign]
    assert await world.version() == "6"


async def test_a_read_that_was_overtaken_by_an_event_does_not_count(world: World) -> None:
    async def slow(*_: str) -> Raw:
        world.known.noticed(job(9))
        return job(7)

    world.server.get = slow  # type: ignore[assignment, method-assign]
    assert await world.version() == "9"
    assert world.known.version(KEY) == 9


async def test_a_deleted_job_is_read_and_a_late_event_does_not_bring_it_back(world: World) -> None:
    world.known.noticed(job(5))
    assert world.known.noticed(job(8), deleted=True)
    assert not world.known.noticed(job(7))
    assert await world.version() is None
    assert len(world.known) == 0


async def test_the_end_of_an_earlier_object_does_not_touch_the_one_of_the_same_name(world: World) -> None:
    world.known.noticed(job(9, uid="u-2"))
    assert not world.known.noticed(job(8, uid="u-1"), deleted=True)
    assert await world.version() == "9"


async def test_a_finished_job_without_our_finalizer_takes_no_memory(world: World) -> None:
    world.known.noticed(job(5, status=COMPLETE, finalizers=[FINALIZER]))
    assert len(world.known) == 1
    world.known.noticed(job(6, status=COMPLETE))
    assert len(world.known) == 0
    assert not world.known.noticed(job(5)), "an event that is late does not count as a new job"


async def test_that_a_job_is_over_is_passed_on_also_after_the_write_that_made_it_so(world: World) -> None:
    """A schedule waits for it."""
    world.known.noticed(job(5, status=COMPLETE, finalizers=[FINALIZER]))
    world.server.answer = job(6, status=COMPLETE)
    await world.known.set_finalizers(JOBS, job(5), [])
    assert world.known.noticed(job(6, status=COMPLETE))
    assert not world.known.noticed(job(5, status=COMPLETE, finalizers=[FINALIZER]))


async def test_a_job_of_which_nothing_is_heard_for_long_is_read(world: World) -> None:
    world.known.noticed(job(5))
    world.clock.advance(301)
    world.server.stored = job(6)
    assert await world.version() == "6"
    world.clock.advance(299)
    await world.version()
    assert world.server.reads == 1


async def test_a_version_that_is_not_a_number_is_never_trusted(world: World) -> None:
    world.server.stored = job("abc")
    assert world.known.noticed(job("abc"))
    assert [await world.version(), await world.version()] == ["abc", "abc"]
    assert world.server.reads == 2


async def test_managed_fields_are_kept_as_the_time_of_the_newest_alone(world: World) -> None:
    fields = [{"manager": "a", "time": "2031-01-15T03:00:00Z"}, {"manager": "b", "time": "2031-01-15T04:00:00Z"}]
    world.known.noticed(job(5, managedFields=[*fields, {"manager": "c"}]))
    found = await world.known.get(JOBS, *KEY)
    assert found is not None
    assert found["metadata"]["managedFields"] == [{"time": "2031-01-15T04:00:00Z"}]


async def test_jobs_that_a_whole_list_does_not_have_are_woken_and_read(world: World) -> None:
    world.known.noticed(job(5))
    world.known.list_begins(None)
    world.known.list_ends(None)
    assert world.woken == [KEY]
    assert await world.version() is None
    assert world.server.reads == 1


async def test_jobs_that_a_list_has_or_that_were_written_meanwhile_are_not_in_doubt(world: World) -> None:
    other = ("mdm", "hourly")
    world.known.noticed(job(5))
    world.known.noticed(job(6, name="hourly"))
    world.known.list_begins("mdm")
    world.known.noticed(job(5))
    world.server.answer = job(7, name="hourly")
    await world.known.patch_status(JOBS, job(6, name="hourly"), {})
    world.known.list_ends("mdm")
    assert world.woken == []
    assert (await world.known.get(JOBS, *other) or {})["metadata"]["resourceVersion"] == "7"
    assert world.server.reads == 0


async def test_a_list_of_one_namespace_says_nothing_of_others(world: World) -> None:
    world.known.noticed(job(5))
    world.known.list_begins("sales")
    world.known.list_ends("sales")
    assert await world.version() == "5"
    assert world.server.reads == 0


# -- from the bytes of a list or a watch


def line(type_: str, raw: Raw) -> bytes:
    return json.dumps({"type": type_, "object": raw}).encode()


async def test_an_event_is_news_once(world: World) -> None:
    notices = JobNotices(world.known)
    assert notices.is_news(line("ADDED", job(5)))
    assert not notices.is_news(line("MODIFIED", job(5)))
    assert notices.is_news(line("DELETED", job(6)))
    assert len(world.known) == 0


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"type": "ADDED"}', line("BOOKMARK", job(7)), line("ADDED", {}), line("ERROR", job(7))]
)
async def test_what_is_not_an_event_of_a_job_is_left_to_kopf(world: World, text: bytes) -> None:
    assert JobNotices(world.known).is_news(text)
    assert len(world.known) == 0


async def test_a_large_job_is_read_each_time(world: World) -> None:
    large = job(5, annotations={"note": "x" * 100_000})
    world.server.stored = large
    assert JobNotices(world.known).is_news(line("ADDED", large))
    assert [await world.version(), await world.version()] == ["5", "5"]
    assert world.server.reads == 2


@pytest.mark.parametrize(
    ("page", "last"), [({"metadata": {"continue": "x"}}, False), ({"metadata": {}}, True), ({}, True), (7, False)]
)
def test_the_last_page_of_a_list_names_no_further_one(page: object, last: bool) -> None:
    assert is_last(json.dumps(page).encode()) == last
